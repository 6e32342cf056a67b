"""From readings of a server's metrics to a window, and whether client and server agree. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval, Stat
from paceline.records.telemetry import (
    Agreement,
    Buckets,
    Counter,
    GaugeWindow,
    Snapshot,
    TelemetryGap,
    TelemetryWindow,
    Times,
    TimesWindow,
)
from paceline.units import MS_PER_S

TOLERATED_SHARE: Final = 0.10
"""Of the larger mean: what a network, a socket buffer and a window cut elsewhere may explain."""
TOLERATED_MS: Final = 2.0
FOREIGN_SHARE: Final = 0.10
"""The server finished this much more than we sent: somebody else is using it."""
SNAPSHOTS_NEEDED: Final = 2


def telemetry_window(
    readings: Sequence[Snapshot], *, source: str, subject: str, start_s: float, end_s: float
) -> TelemetryWindow | TelemetryGap:
    """What readings say about `start_s`–`end_s` on CLOCK_MONOTONIC.

    Counters and histograms are differences: of the reading nearest to the start, and the first
    one after the end. A counter that fell (the server started anew) makes the window a gap.
    """
    if len(readings) < SNAPSHOTS_NEEDED:
        return TelemetryGap(source=source, because=f"{len(readings)} readings; two make a window")
    first = min(readings, key=lambda reading: abs(reading.at_s - start_s))
    after = [reading for reading in readings if reading.at_s >= end_s]
    last = after[0] if after else readings[-1]
    if last.at_s <= first.at_s:
        return TelemetryGap(source=source, because="no two readings bound the window")
    fallen = [name for name, value in last.counters.items() if value < first.counters.get(name, 0)]
    if fallen:
        because = f"{fallen[0]} fell meanwhile: the server has started anew"
        return TelemetryGap(source=source, because=because)
    inside = [reading for reading in readings if start_s <= reading.at_s <= end_s] or [last]
    return TelemetryWindow(
        source=source,
        subject=subject,
        start_s=first.at_s - start_s,
        end_s=last.at_s - start_s,
        gauges=_gauges(inside),
        counters={
            name: value - first.counters.get(name, 0.0) for name, value in last.counters.items()
        },
        times=_times(first.histograms, last.histograms),
    )


def compare(summary: LoadSummary, window: TelemetryWindow) -> tuple[Agreement, ...]:
    """The client's means beside the server's, for every time that both have.

    Means, because a histogram knows its mean exactly and its percentiles by the bucket. The
    server starts its clock after the network and its front end, so a client that reads more is
    normal up to a point; one that reads less has missed something.
    """
    stats = {
        Times.TTFT: summary.ttft_ms,
        Times.TPOT: summary.tpot_ms,
        Times.ITL: summary.itl_ms,
        Times.E2E: summary.e2e_ms,
    }
    found = []
    for name, stat in stats.items():
        server = window.times.get(name)
        if server is not None and stat.mean is not None and server.count:
            found.append(_agreement(name, stat, stat.mean, server))
    return tuple(found)


def foreign_requests(window: TelemetryWindow, *, ours: int) -> str | None:
    """A sentence when the server finished clearly more than what this test sent."""
    finished = window.counters.get(Counter.REQUESTS_FINISHED)
    if finished is None or finished <= ours * (1 + FOREIGN_SHARE) + 1:
        return None
    return (
        f"the server finished {finished:.0f} requests in the window and {ours} of them are from"
        " this test: others use it, or warm-up was counted"
    )


def _agreement(name: str, stat: Stat, client_ms: float, server: TimesWindow) -> Agreement:
    apart_ms = client_ms - server.mean_ms
    interval = stat.ci95.get("mean")
    noise_ms = (interval.hi - interval.lo) / 2 if interval else 0.0
    most_ms = max(TOLERATED_SHARE * max(client_ms, server.mean_ms), TOLERATED_MS, noise_ms)
    agree = abs(apart_ms) <= most_ms
    side = "later" if apart_ms > 0 else "earlier"
    because = (
        f"the client reads {abs(apart_ms):.3g} ms {side};"
        f" up to {most_ms:.3g} ms is network, noise and the cut of the window"
    )
    return Agreement(
        metric=name, client_ms=client_ms, server_ms=server.mean_ms, agree=agree, because=because
    )


def _gauges(inside: Sequence[Snapshot]) -> dict[str, GaugeWindow]:
    names = {name: None for reading in inside for name in reading.gauges}
    found = {}
    for name in names:
        values = [reading.gauges[name] for reading in inside if name in reading.gauges]
        found[name] = GaugeWindow(
            mean=sum(values) / len(values), max=max(values), readings=len(values)
        )
    return found


def _times(first: Mapping[str, Buckets], last: Mapping[str, Buckets]) -> dict[str, TimesWindow]:
    found = {}
    for name, end in last.items():
        grown = _difference(first.get(name), end)
        count = grown.counts[-1]
        if count > 0:
            found[name] = TimesWindow(
                count=count,
                mean_ms=grown.sum_s / count * MS_PER_S,
                p50_ms=_bucket_of(grown, 0.50),
                p95_ms=_bucket_of(grown, 0.95),
                p99_ms=_bucket_of(grown, 0.99),
            )
    return found


def _difference(first: Buckets | None, last: Buckets) -> Buckets:
    if first is None or first.limits_s != last.limits_s:  # it did not exist then
        return last
    return Buckets(
        limits_s=last.limits_s,
        counts=tuple(b - a for a, b in zip(first.counts, last.counts, strict=True)),
        sum_s=last.sum_s - first.sum_s,
    )


def _bucket_of(buckets: Buckets, share: float) -> Interval | None:
    """The limits of the bucket with the quantile, in ms; `None` beyond the last finite limit."""
    wanted = share * buckets.counts[-1]
    below_s = 0.0
    for limit_s, count in zip(buckets.limits_s[:-1], buckets.counts, strict=False):
        if count >= wanted:
            return Interval(lo=below_s * MS_PER_S, hi=limit_s * MS_PER_S)
        below_s = limit_s
    return None
