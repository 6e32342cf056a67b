"""What the traffic alone asks for, before the fleet's past is looked at."""

import math
from dataclasses import dataclass
from typing import Final

from paceline.deploy.policies.means import mean_of_last, replicas_for
from paceline.records.scaling import Fleet, Memory, PacelinePolicy, Replica
from paceline.records.traffic import Window
from paceline.stats import quantile

WAIT_QUANTILE: Final = 0.9
ERRORS_BORNE: Final = 1.0
"""Standard errors of the load; 0, 1 and 2 were compared on halves of a trace, docs/log.md."""
DESIGNED_COLD_START_S: Final = 45.0
"""The holds were designed for cold starts from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Loads are in requests in flight, a queued one counted by its weight."""

    replicas: int
    """What to have from now on, were there no past."""
    at_once: int
    """What the burst window alone would need; to keep what is there, not to add to it."""
    stable: float
    burst: float
    bursting: bool
    because: str


def target_in_flight(policy: PacelinePolicy, replica: Replica) -> float:
    """Requests in flight per replica that the policy aims at."""
    return _aimed_at(policy, replica.concurrency)


def room(policy: PacelinePolicy, concurrency: int) -> int:
    """The most requests that a replica is given at once, here and by the gateway.

    The concurrency that was measured, and more only where the policy aims at more.
    """
    return max(concurrency, math.ceil(_aimed_at(policy, concurrency)))


def demand(window: Window, fleet: Fleet, policy: PacelinePolicy, memory: Memory) -> Demand:
    """The count that the rules for going up give, with the reason of the one that decided."""
    target = target_in_flight(policy, fleet.replica)
    supply = max(fleet.ready + fleet.starting, 1)
    service_s = expected_service_s(memory, fleet.replica)
    weight = queued_weight(service_s, fleet)
    load = [
        serving + weight * waiting
        for serving, waiting in zip(window.serving, window.waiting, strict=True)
    ]
    stable, burst = mean_of_last(load, policy.stable_s), mean_of_last(load, policy.burst_s)
    at_once = replicas_for(burst, target)
    # Replicas that work off a queue are full whatever comes in, and while none is ready nothing
    # is in flight; what the arrivals keep in flight, by Little's law, knows neither.
    arriving = math.inf
    if service_s is not None and len(window.arrivals) >= policy.burst_s:
        arriving = mean_of_last(window.arrivals, policy.stable_s) * service_s
        arriving += weight * window.queued
    if fleet.ready == 0 and arriving < math.inf:
        stable = burst = arriving
    replicas = _needed(min(stable, burst, arriving), window, fleet.replica, policy, service_s)
    because = f"{stable:.1f} requests over {policy.stable_s:g} s at {target:g} per replica"
    bursting = burst >= policy.burst_factor * supply * target
    if bursting and at_once > replicas:
        replicas = at_once
        because = f"burst: {burst:.1f} requests over {policy.burst_s:g} s at {target:g} each"
    wait_s = quantile(window.waits_s, WAIT_QUANTILE) if window.waits_s else 0.0
    full = supply * room(policy, fleet.replica.concurrency)
    in_time = weight * window.queued > full
    if wait_s > policy.queue_delay_s and in_time and fleet.ready + 1 > replicas:
        replicas = fleet.ready + 1
        because = f"p90 wait {wait_s:.1f} s is above {policy.queue_delay_s:g} s"
    if replicas == 0 and window.present:
        replicas, because = 1, f"requests present: {window.present}"
    return Demand(
        replicas=replicas,
        at_once=at_once,
        stable=stable,
        burst=burst,
        bursting=bursting,
        because=because,
    )


def _aimed_at(policy: PacelinePolicy, concurrency: int) -> float:
    if policy.target_in_flight is not None:
        return policy.target_in_flight
    return policy.target_share * concurrency


def _needed(
    load: float, window: Window, replica: Replica, policy: PacelinePolicy, service_s: float | None
) -> int:
    """Enough for the target when chance does not explain the load, and always enough to be served.

    A few requests in flight are a noisy measure of a rate. Between target and concurrency there is
    room for that noise, so one standard error above the target is no reason for a replica.
    """
    target, most = target_in_flight(policy, replica), room(policy, replica.concurrency)
    over_s = min(policy.stable_s, float(len(window.serving)))
    surely = load - ERRORS_BORNE * standard_error(load, service_s, over_s)
    return max(replicas_for(surely, target), replicas_for(load, most))


def standard_error(load: float, service_s: float | None, over_s: float) -> float:
    """Of a mean number in flight over a window, were arrivals Poisson at a steady rate.

    The number in flight then has variance `load`, and its autocorrelation falls by e in one service
    time S (M/M/infinity), so its mean over T has variance `2 load (S/T)^2 (T/S - 1 + exp(-T/S))`.
    0 where the service time is not known.
    """
    if not service_s or over_s <= 0 or load <= 0:
        return 0.0
    ratio = over_s / service_s
    return math.sqrt(2 * load * (ratio - 1 + math.exp(-ratio))) / ratio


def queued_weight(service_s: float | None, fleet: Fleet) -> float:
    """What a queued request counts for: its service time as a share of a cold start.

    A queue is no load, it is work. A replica launched for it helps only with what is left once it
    is ready; clearing a queue of q within a cold start takes q × service ÷ cold start in flight.
    But nobody works off a queue that finds no replica ready, and the shorter the start, the less is
    lost by a place for every one: towards a start of no time such a request counts in full.
    """
    cold_start_s = fleet.replica.cold_start_s
    if service_s is None or cold_start_s <= 0:
        return 1.0
    as_work = min(service_s / cold_start_s, 1.0)
    if fleet.ready:
        return as_work
    share = hold_share(cold_start_s)
    return share * as_work + (1 - share)


def hold_share(cold_start_s: float) -> float:
    """The part of a designed hold that a cold start is worth; all of it while that is not known.

    To hold a replica that is not needed costs its time, to let it go wrongly costs one cold start:
    what pays is a hold in proportion to the cold start.
    """
    return min(cold_start_s / DESIGNED_COLD_START_S, 1.0) if cold_start_s > 0 else 1.0


def expected_service_s(memory: Memory, replica: Replica) -> float | None:
    """How long a request is in a replica: as last seen, else as measured; `None` if neither."""
    if memory.service_s is None and replica.requests_per_s:
        return replica.concurrency / replica.requests_per_s
    return memory.service_s
