"""Whether the client could have moved the result: the evidence against it, with both numbers."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from paceline.records.client import ClientState, ClientVerdict
from paceline.records.load import ClientHealth, LoadResult
from paceline.trial.timeline import Timings

LIMIT_SHARE: Final = 0.05
"""Of the smallest latency limit: what the client may add unnoticed."""
CPU_SHARE: Final = 0.85
ACHIEVED_SHARE: Final = 0.95
HELD_SHARE: Final = 0.05
"""More than this share of requests waiting for room in flight is back-pressure of the server."""


def judge_client(result: LoadResult, *, limits_ms: Sequence[float] = ()) -> ClientVerdict:
    """Innocent, or `client_bound` with every reason.

    `limits_ms` are the latency limits that are judged; without any, the median time to the first
    token stands in for them. In closed loop a late send enters no judged time but lowers the
    load, so there the mean delay is compared with the mean time in flight.
    """
    reasons = tuple(_reasons(result, limits_ms))
    state = ClientState.CLIENT_BOUND if reasons else ClientState.OK
    return ClientVerdict(verdict=state, reasons=reasons, added_ms=_added_ms(result.health))


def _added_ms(health: ClientHealth) -> float | None:
    """Late reading adds to a latency always, late sending where times start at the schedule.

    A client that took a whole core may have slowed the server beside it by nobody knows how much.
    """
    if any(_cpu(health)):
        return None
    delays = [health.loop_lag_ms.p99]
    if health.offered_rps is not None:
        delays.append(health.send_skew_ms.p99)
    known = [delay for delay in delays if delay is not None]
    return sum(known) if len(known) == len(delays) else None


def _reasons(result: LoadResult, limits_ms: Sequence[float]) -> Iterator[str]:
    times = Timings(result.samples)
    yield from _deaths(result.health)
    yield from _delays(result.health, times, limits_ms)
    if result.health.offered_rps is None:
        yield from _empty_slots(result.health, times)
    else:
        yield from _shortfall(result.health, len(result.samples))
    yield from _cpu(result.health)


def _deaths(health: ClientHealth) -> Iterator[str]:
    if health.deaths:
        codes = ", ".join(str(code) for code in health.deaths)
        yield (
            f"{len(health.deaths)} of {health.processes} client processes died (exit code {codes});"
            " the test was ended and their last requests are missing"
        )


def _delays(health: ClientHealth, times: Timings, limits_ms: Sequence[float]) -> Iterator[str]:
    """What the client may have added to a judged time."""
    if limits_ms:
        base_ms, of_what = min(limits_ms), "the limit"
    else:
        known = times.ttft_ms[times.ok]
        base_ms, of_what = float(np.median(known)) if len(known) else math.inf, "the median TTFT"
    most_ms = LIMIT_SHARE * base_ms
    delays = {"event loop lag": health.loop_lag_ms}
    if health.offered_rps is not None:
        delays["send skew"] = health.send_skew_ms
    for name, stat in delays.items():
        if stat.p99 is not None and stat.p99 > most_ms:
            yield (
                f"{name} p99 {stat.p99:.2f} ms > {most_ms:.2f} ms"
                f" ({LIMIT_SHARE:.0%} of {of_what} of {base_ms:.4g} ms)"
            )


def _empty_slots(health: ClientHealth, times: Timings) -> Iterator[str]:
    """In closed loop: slots that stood empty because of the client lower the load."""
    answered_ms = times.e2e_ms[~np.isnan(times.e2e_ms)]
    empty_ms = health.send_skew_ms.mean
    if empty_ms is None or not len(answered_ms):
        return
    in_flight_ms = float(np.mean(answered_ms))
    if empty_ms > LIMIT_SHARE * in_flight_ms:
        yield (
            f"slots stood empty for {empty_ms:.2f} ms > {LIMIT_SHARE:.0%} of the"
            f" {in_flight_ms:.1f} ms that a request is in flight"
        )


def _shortfall(health: ClientHealth, requests: int) -> Iterator[str]:
    """In open loop: fewer requests went out than were due, and not for lack of room in flight."""
    offered_rps = health.offered_rps or 0.0
    if health.held > HELD_SHARE * requests:
        return
    if health.achieved_rps < ACHIEVED_SHARE * offered_rps:
        yield (
            f"sent {health.achieved_rps:.4g} requests/s < {ACHIEVED_SHARE:.0%} of the"
            f" {offered_rps:.4g} offered, and the server did not hold them back"
        )


def _cpu(health: ClientHealth) -> Iterator[str]:
    if health.window_s <= 0:
        return
    share = health.window_cpu_s / (health.window_s * health.cores)
    if share > CPU_SHARE:
        cores = "1 core" if health.cores == 1 else f"{health.cores} cores"
        yield f"client CPU {share:.0%} > {CPU_SHARE:.0%} of {cores}"
