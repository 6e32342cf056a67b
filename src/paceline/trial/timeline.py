"""From raw samples to metrics: the definitions of `docs/concepts/metrics.md`, as code. Pure.

The same samples always give the same summary, so a receipt's figures can be recomputed.
"""

from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval
from paceline.records.samples import (
    MICROSECONDS_PER_S,
    OUTCOMES,
    TOKEN_SOURCES,
    Floats,
    Outcome,
    SampleTable,
)
from paceline.stats import design_effect, drift, mean_bounds, proportion_bounds, ramp_length
from paceline.trial.describe import describe, interval_of
from paceline.units import MS_PER_S

MS_PER_US: Final = 1e-3
RATE_SLICES: Final = 20
"""Slices of the window whose rates give the interval of the mean rate."""
RATE_REQUESTS: Final = 40
"""Fewer ended requests than this say nothing about the variation of a rate."""
LARGEST_GAPS: Final = 2_000_000
"""Inter-token gaps that are pooled; of more, those of evenly spaced requests are."""
BLOCK: Final = 8192
"""Requests whose chunks are expanded at a time, so that memory does not grow with the test."""

Mask = npt.NDArray[np.bool_]


def summarise(samples: SampleTable, *, open_loop: bool, trim: bool = True) -> LoadSummary:
    """Metrics of the steady window of a test.

    `trim` cuts off a ramp at the beginning if there is one. Latencies are those of requests that
    started in the window and ended well; rates count what arrived in it.
    """
    times = Timings(samples)
    series_ms = (times.scheduled_e2e_ms if open_loop else times.e2e_ms)[times.ok]
    first = ramp_length(series_ms) if trim else 0
    start_s = float(samples.scheduled_s[times.ok][first]) if first else _start_s(samples)
    inside = samples.scheduled_s >= start_s if first else np.ones(len(samples), dtype=bool)
    change = drift(series_ms[first:])
    good = inside & times.ok
    rates = _Rates(samples, times, start_s)
    tokens = samples.output_tokens[good]
    outcomes = _counted(samples.outcome[inside], [outcome.value for outcome in OUTCOMES])
    unfinished = outcomes.get(Outcome.UNFINISHED.value, 0)
    return LoadSummary(
        ttft_ms=describe(times.ttft_ms[good]),
        tpot_ms=describe(times.tpot_ms[good & ~np.isnan(times.tpot_ms)]),
        itl_ms=describe(gaps_ms(samples, good)),
        e2e_ms=describe(times.e2e_ms[good]),
        scheduled_e2e_ms=describe(times.scheduled_e2e_ms[good]),
        scheduled_ttft_ms=describe(times.scheduled_ttft_ms[good]),
        output_tokens_per_s=rates.tokens_per_s,
        requests_per_s=rates.requests_per_s,
        ok=int(good.sum()),
        failed=int(inside.sum()) - int(good.sum()) - unfinished,
        incomplete=unfinished,
        outcomes=outcomes,
        window_s=rates.window_s,
        steady=change is None,
        output_tokens_per_s_ci95=rates.tokens_interval,
        requests_per_s_ci95=rates.requests_interval,
        failed_share_ci95=_failed_share(samples, inside, times.ok),
        input_tokens_per_s=_product(_mean(samples.input_tokens[good]), rates.requests_per_s),
        input_tokens_mean=_mean(samples.input_tokens[good]),
        output_tokens_mean=_mean(tokens),
        tokens_per_chunk=_tokens_per_chunk(tokens, times.chunks[good]),
        token_counts=_counted(
            samples.token_source[good], [source.value for source in TOKEN_SOURCES]
        ),
        window_start_s=start_s,
        trimmed=len(samples) - int(inside.sum()),
        drift=change,
        in_flight_mean=rates.in_flight_mean,
        in_flight_max=_in_flight_max(samples),
    )


class Timings:
    """The times of every request in ms, NaN where it has none."""

    def __init__(self, samples: SampleTable) -> None:
        self.chunks = np.diff(samples.chunk_start)
        answered = self.chunks > 0
        self.ok: Mask = (samples.outcome == OUTCOMES.index(Outcome.OK)) & answered
        self.ttft_ms = np.full(len(samples), np.nan)
        self.e2e_ms = np.full(len(samples), np.nan)
        firsts = samples.chunk_start[:-1][answered]
        lasts = samples.chunk_start[1:][answered] - 1
        self.ttft_ms[answered] = samples.chunk_us[firsts] * MS_PER_US
        self.e2e_ms[answered] = samples.chunk_us[lasts] * MS_PER_US
        waited_ms = (samples.sent_s - samples.scheduled_s) * MS_PER_S
        self.scheduled_ttft_ms = waited_ms + self.ttft_ms
        self.scheduled_e2e_ms = waited_ms + self.e2e_ms
        several = samples.output_tokens > 1  # undefined, not 0, for one token
        self.tpot_ms = np.full(len(samples), np.nan)
        gaps = samples.output_tokens[several] - 1
        self.tpot_ms[several] = (self.e2e_ms - self.ttft_ms)[several] / gaps


def gaps_ms(samples: SampleTable, rows: Mask) -> Floats:
    """Gaps between successive chunks of the chosen requests, pooled, in order of the requests."""
    counts = np.diff(samples.chunk_start)
    total = int(np.maximum(counts[rows] - 1, 0).sum())
    if total > LARGEST_GAPS:
        chosen = np.flatnonzero(rows)[:: -(-total // LARGEST_GAPS)]
        rows = np.zeros_like(rows)
        rows[chosen] = True
    kept = np.repeat(rows, counts)
    ends = np.zeros(len(samples.chunk_us), dtype=bool)
    ends[samples.chunk_start[1:][counts > 0] - 1] = True
    at_us = samples.chunk_us.astype(np.float64)
    inner = (kept & ~ends)[:-1]  # not from the last chunk of one request to the next request
    result: Floats = (at_us[1:] - at_us[:-1])[inner] * MS_PER_US
    return result


class _Rates:
    """What arrived per second in the window, and how much was in flight in it.

    The window ends when the last request started: after that the load only falls. Where that
    leaves less than half of the time (one wave of requests), it ends with the last answer.
    """

    def __init__(self, samples: SampleTable, times: Timings, start_s: float) -> None:
        ends_s = samples.end_s[~np.isnan(samples.end_s)]
        last_end_s = float(ends_s.max()) if len(ends_s) else start_s
        sent_s = samples.sent_s[~np.isnan(samples.sent_s)]
        last_start_s = float(sent_s.max()) if len(sent_s) else start_s
        waves = last_start_s - start_s >= (last_end_s - start_s) / 2
        end_s = last_start_s if waves else last_end_s
        self.window_s = max(end_s - start_s, 0.0)
        self.in_flight_mean: float | None = None
        self.tokens_per_s = self.requests_per_s = 0.0
        self.tokens_interval: Interval | None = None
        self.requests_interval: Interval | None = None
        if self.window_s <= 0:
            return
        edges = np.linspace(start_s, end_s, RATE_SLICES + 1)
        requests, _ = np.histogram(samples.end_s[times.ok], bins=edges)
        tokens = tokens_in(samples, times, edges)
        self.requests_per_s = float(requests.sum()) / self.window_s
        self.tokens_per_s = float(tokens.sum()) / self.window_s
        if requests.sum() >= RATE_REQUESTS:
            slice_s = self.window_s / RATE_SLICES
            self.requests_interval = interval_of(mean_bounds(requests / slice_s))
            self.tokens_interval = interval_of(mean_bounds(tokens / slice_s))
        inside_s = np.clip(samples.end_s, start_s, end_s) - np.clip(samples.sent_s, start_s, end_s)
        self.in_flight_mean = float(np.nansum(inside_s)) / self.window_s


def tokens_in(samples: SampleTable, times: Timings, edges: Floats) -> Floats:
    """Output tokens per slice; a request's tokens are spread evenly over its chunks.

    One that the end of the test cut off has no count yet: its chunks are worth as much as others'.
    """
    found = np.zeros(len(edges) - 1)
    tokens = np.where(np.isnan(samples.output_tokens), 0.0, samples.output_tokens)
    usual = _tokens_per_chunk(samples.output_tokens[times.ok], times.chunks[times.ok]) or 0.0
    unfinished = samples.outcome == OUTCOMES.index(Outcome.UNFINISHED)
    weights = np.where(times.ok, tokens / np.maximum(times.chunks, 1), usual * unfinished)
    for begin in range(0, len(samples), BLOCK):
        rows = slice(begin, min(begin + BLOCK, len(samples)))
        counts = times.chunks[rows]
        chunks = samples.chunk_us[samples.chunk_start[rows.start] : samples.chunk_start[rows.stop]]
        at_s = np.repeat(samples.sent_s[rows], counts) + chunks / MICROSECONDS_PER_S
        found += np.histogram(at_s, bins=edges, weights=np.repeat(weights[rows], counts))[0]
    return found


def _failed_share(samples: SampleTable, inside: Mask, ok: Mask) -> Interval | None:
    """Exact bounds of the share of requests that fail, of those that ended."""
    failed = ~ok[inside & (samples.outcome != OUTCOMES.index(Outcome.UNFINISHED))]
    if not len(failed):
        return None
    effect = design_effect(failed)
    return interval_of(proportion_bounds(float(failed.sum()) / effect, len(failed) / effect))


def _start_s(samples: SampleTable) -> float:
    sent_s = samples.sent_s[~np.isnan(samples.sent_s)]
    return float(sent_s.min()) if len(sent_s) else 0.0


def _in_flight_max(samples: SampleTable) -> int | None:
    sent = ~np.isnan(samples.sent_s)
    if not sent.any():
        return None
    moments = np.concatenate([samples.sent_s[sent], samples.end_s[sent]])
    steps = np.concatenate([np.ones(int(sent.sum())), -np.ones(int(sent.sum()))])
    order = np.lexsort((steps, moments))  # an end before a start at the same moment
    return int(np.cumsum(steps[order]).max())


def _counted(numbers: npt.NDArray[np.int64], names: list[str]) -> dict[str, int]:
    counts = Counter(numbers.tolist())
    return {names[number]: counts[number] for number in sorted(counts)}


def _tokens_per_chunk(tokens: Floats, chunks: npt.NDArray[np.int64]) -> float | None:
    known = ~np.isnan(tokens)
    total = float(chunks[known].sum())
    return float(tokens[known].sum()) / total if total else None


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _product(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
