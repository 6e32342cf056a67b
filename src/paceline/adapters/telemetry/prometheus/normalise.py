"""A page of some engine as a `Snapshot` in our names; `None` for a page of an unknown one."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from paceline.adapters.telemetry.prometheus.names import DIALECTS, Dialect
from paceline.adapters.telemetry.prometheus.page import Sample, samples_of
from paceline.records.telemetry import Buckets, Gauge, Snapshot


def dialect_of(page: str) -> Dialect | None:
    """The engine that a page is from, by the prefix of its names."""
    names = {sample.name for sample in samples_of(page)}
    for dialect in DIALECTS:
        if any(name.startswith(dialect.prefix) for name in names):
            return dialect
    return None


def snapshot_of(page: str, dialect: Dialect, *, at_s: float) -> Snapshot:
    """All of a page that has a name of ours.

    Engines of several ranks or models have one sample per label set: those are added up, except
    the cache usage, of which the fullest counts.
    """
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples_of(page):
        if sample.name.startswith(dialect.prefix):
            grouped[sample.name.removeprefix(dialect.prefix)].append(sample)
    gauges = {}
    for name, gauge in dialect.gauges.items():
        values = [sample.value for sample in grouped.get(name, ())]
        if values:
            gauges[gauge.value] = max(values) if gauge is Gauge.KV_CACHE_USAGE else sum(values)
    return Snapshot(
        at_s=at_s,
        gauges=gauges,
        counters={
            counter.value: sum(sample.value for sample in grouped[name])
            for name, counter in dialect.counters.items()
            if name in grouped
        },
        histograms={
            times.value: _buckets(grouped, name)
            for name, times in dialect.times.items()
            if f"{name}_bucket" in grouped
        },
    )


def _buckets(grouped: Mapping[str, Sequence[Sample]], name: str) -> Buckets:
    counts: dict[float, float] = defaultdict(float)
    for sample in grouped[f"{name}_bucket"]:
        counts[float(sample.labels.get("le", "inf"))] += sample.value
    counts.setdefault(math.inf, sum(sample.value for sample in grouped.get(f"{name}_count", ())))
    limits = sorted(counts)
    return Buckets(
        limits_s=tuple(limits),
        counts=tuple(counts[limit] for limit in limits),
        sum_s=sum(sample.value for sample in grouped.get(f"{name}_sum", ())),
    )
