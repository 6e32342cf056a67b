"""Samples as series over time, small enough to be drawn. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.records.samples import Floats, SampleTable
from paceline.trial.timeline import Timings, tokens_in

SLICES: Final = 60
MOST_POINTS: Final = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """A load test in equal slices. `edges_s` has one entry more than the others."""

    edges_s: tuple[float, ...]
    tokens_per_s: tuple[float, ...]
    in_flight: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """One value per request at the time it was sent, thinned so that no spike is lost."""

    at_s: tuple[float, ...]
    values_ms: tuple[float, ...]
    failed_at_s: tuple[float, ...]


def over_time(samples: SampleTable) -> OverTime | None:
    """Output tokens per second and mean requests in flight; `None` when nothing was sent."""
    sent = ~np.isnan(samples.sent_s) & ~np.isnan(samples.end_s)
    if not sent.any():
        return None
    start_s, end_s = float(samples.sent_s[sent].min()), float(samples.end_s[sent].max())
    edges = np.linspace(start_s, max(end_s, start_s + 1e-6), SLICES + 1)
    width_s = edges[1] - edges[0]
    # Time in flight before each edge, summed over requests; its growth is what a slice holds.
    inside = [
        np.clip(edge - samples.sent_s[sent], 0.0, samples.end_s[sent] - samples.sent_s[sent]).sum()
        for edge in edges
    ]
    return OverTime(
        edges_s=tuple(edges.tolist()),
        tokens_per_s=tuple((tokens_in(samples, Timings(samples), edges) / width_s).tolist()),
        in_flight=tuple((np.diff(inside) / width_s).tolist()),
    )


def points(samples: SampleTable, values_ms: Floats, *, most: int = MOST_POINTS) -> Points:
    """`values_ms` of every request that has one; of many, the median and the largest per slice."""
    times = Timings(samples)
    known = times.ok & ~np.isnan(values_ms)
    at_s, values = samples.sent_s[known], values_ms[known]
    if len(values) > most:
        chosen = _spikes_kept(at_s, values, most // 2)
        at_s, values = at_s[chosen], values[chosen]
    failed = ~times.ok & ~np.isnan(samples.sent_s)
    failed_at_s = samples.sent_s[failed]
    step = max(1, -(-len(failed_at_s) // most))
    return Points(
        at_s=tuple(at_s.tolist()),
        values_ms=tuple(values.tolist()),
        failed_at_s=tuple(failed_at_s[::step].tolist()),
    )


def _spikes_kept(at_s: Floats, values: Floats, slices: int) -> list[int]:
    order = np.argsort(at_s, kind="stable")
    chosen: set[int] = set()
    for part in np.array_split(order, slices):
        by_value = part[np.argsort(values[part], kind="stable")]
        if len(by_value):
            chosen |= {int(by_value[len(by_value) // 2]), int(by_value[-1])}
    return sorted(chosen)
