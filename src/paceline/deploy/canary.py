"""Whether a new version beside the old one is good enough: promote, roll back, or wait.

Four readings decide: failed requests, the time to the first output of streams against its limit,
the time that whole answers take against the old version's, and the quality probe. It rolls back as
soon as one of them is worse beyond chance; it promotes only when there is enough and none of them
is worse. What stays unclear at the end does not go live.

No limit of a measured load applies to whole answers: how long they are is up to the clients.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.records.deployment import Canary
from paceline.stats import proportion_bounds, quantile, quantile_bounds

FAILED_SHARE_BORNE: Final = 0.01
"""A share of failures that is no reason, whatever the old version had."""
FAILED_SHARE_ALONE: Final = 0.05
"""The same when the old version had too few requests to compare with."""
FEWEST_REQUESTS: Final = 20
SLOWER: Final = 1.5
"""Times the old version's p95, where the request that was optimized for set no limit."""
P95: Final = 0.95


class Verdict(StrEnum):
    """What becomes of a canary."""

    WAIT = "wait"
    PROMOTE = "promote"
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Requests of one version since the canary was admitted.

    Of the latest of them, `ttft_s` of streams and `e2e_s` of those that were answered whole: what
    they took in the replica.
    """

    answered: int = 0
    failed: int = 0
    ttft_s: tuple[float, ...] = ()
    e2e_s: tuple[float, ...] = ()

    @property
    def requests(self) -> int:
        return self.answered + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimit:
    """TTFT at this share of the requests (0.95 for p95) is to stay within `limit_s`."""

    share: float
    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, with the numbers that made it."""

    verdict: Verdict
    because: str


def judge(
    canary: Observed,
    stable: Observed,
    plan: Canary,
    *,
    served_s: float,
    limits: Sequence[LatencyLimit],
    probe_failed: str | None,
) -> Judgement:
    """What to do now; `probe_failed` is what the latest quality probe found wrong, if anything."""
    if probe_failed is not None:
        return Judgement(verdict=Verdict.ROLL_BACK, because=f"quality: {probe_failed}")
    worse = _fails_more(canary, stable) or _slower_for_sure(canary, stable, limits)
    if worse is not None:
        return Judgement(verdict=Verdict.ROLL_BACK, because=worse)
    if served_s < plan.at_least_s or canary.requests < plan.requests:
        because = (
            f"{canary.requests} of {plan.requests} requests,"
            f" {served_s:.0f} of {plan.at_least_s:g} s"
        )
        return Judgement(verdict=Verdict.WAIT, because=because)
    unclear = _failures_unclear(canary, stable) or _slower(canary, stable, limits)
    if unclear is not None:
        return Judgement(verdict=Verdict.ROLL_BACK, because=unclear)
    because = f"{canary.requests} requests, {canary.failed} failed; no worse than before"
    return Judgement(verdict=Verdict.PROMOTE, because=because)


def _borne(stable: Observed) -> float:
    """The share of failures that is no worse than before."""
    if stable.requests < FEWEST_REQUESTS:
        return FAILED_SHARE_ALONE
    return max(proportion_bounds(stable.failed, stable.requests).hi, FAILED_SHARE_BORNE)


def _fails_more(canary: Observed, stable: Observed) -> str | None:
    """Failures beyond what chance makes of the old version's share."""
    if not canary.failed:
        return None
    least = proportion_bounds(canary.failed, canary.requests).lo
    return _failures(canary, stable) if least > _borne(stable) else None


def _failures_unclear(canary: Observed, stable: Observed) -> str | None:
    share = canary.failed / canary.requests if canary.requests else 0.0
    return _failures(canary, stable) if share > _borne(stable) else None


def _failures(canary: Observed, stable: Observed) -> str:
    return (
        f"{canary.failed} of {canary.requests} requests failed,"
        f" {stable.failed} of {stable.requests} on the old version"
    )


def _slower_for_sure(
    canary: Observed, stable: Observed, limits: Sequence[LatencyLimit]
) -> str | None:
    """A percentile whose whole interval is above its limit."""
    for what, took_s, limit in _latencies(canary, stable, limits):
        bounds = quantile_bounds(took_s, limit.share)
        if bounds is not None and bounds.lo > limit.limit_s:
            return _too_slow(what, took_s, limit)
    return None


def _slower(canary: Observed, stable: Observed, limits: Sequence[LatencyLimit]) -> str | None:
    """A percentile above its limit."""
    for what, took_s, limit in _latencies(canary, stable, limits):
        if took_s and quantile(took_s, limit.share) > limit.limit_s:
            return _too_slow(what, took_s, limit)
    return None


def _latencies(
    canary: Observed, stable: Observed, limits: Sequence[LatencyLimit]
) -> Iterator[tuple[str, Sequence[float], LatencyLimit]]:
    """What is timed, the canary's times, and a limit on them."""
    for limit in limits or _as_before(stable.ttft_s):
        yield "TTFT", canary.ttft_s, limit
    if len(canary.e2e_s) >= FEWEST_REQUESTS:  # the p95 of fewer is that of the longest answer
        for limit in _as_before(stable.e2e_s):
            yield "e2e of whole answers", canary.e2e_s, limit


def _as_before(stable_s: Sequence[float]) -> tuple[LatencyLimit, ...]:
    """What the old version does now, with room; none when that is not known well enough."""
    if len(stable_s) < FEWEST_REQUESTS:
        return ()
    bounds = quantile_bounds(stable_s, P95)
    upper_s = quantile(stable_s, P95) if bounds is None else bounds.hi
    return (LatencyLimit(share=P95, limit_s=SLOWER * upper_s),)


def _too_slow(what: str, took_s: Sequence[float], limit: LatencyLimit) -> str:
    found_s = quantile(took_s, limit.share)
    return f"{what} p{100 * limit.share:g} is {found_s:.3f} s, limit {limit.limit_s:.3f} s"
