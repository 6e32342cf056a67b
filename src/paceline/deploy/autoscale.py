"""The one verb: traffic and fleet in, a replica count and its reason out.

Pure: the same arguments always give the same decision, so every decision can be replayed. Nothing
here starts or stops a replica.
"""

from dataclasses import replace
from typing import Final

from paceline.deploy.policies import knative, paceline, queue_delay, request_count, rps
from paceline.records.scaling import (
    Bounds,
    Decision,
    Fleet,
    KnativePolicy,
    PacelinePolicy,
    Policy,
    QueueDelayPolicy,
    Replica,
    RequestCountPolicy,
    RpsPolicy,
)
from paceline.records.traffic import Window

TICK_S: Final = 1.0
"""How often a policy is asked, unless it was published with another interval."""


def decide(window: Window, fleet: Fleet, policy: Policy, now_s: float) -> Decision:
    """How many replicas there shall be from now on, with one reason.

    Called every `tick_s(policy)` and at once when a request is queued and no replica is wanted.
    `fleet.memory` is the memory of the last decision. `now_s` is a monotonic clock; a jump of it
    does no harm.
    """
    return _bounded(_ruled(window, fleet, policy, now_s), window, fleet.replica, policy)


def tick_s(policy: Policy) -> float:
    """Seconds between two decisions."""
    return policy.tick_s if isinstance(policy, KnativePolicy) else TICK_S


def fewest(policy: Policy, replica: Replica) -> int:
    """The count that is kept without any traffic."""
    kept = int(isinstance(policy, PacelinePolicy) and paceline.keeps_one(policy, replica))
    return max(policy.bounds.min_replicas, kept)


def most_allowed(bounds: Bounds, replica: Replica) -> int:
    """The most that the bounds and the budget allow; never below one."""
    allowed = bounds.max_replicas
    if bounds.budget_usd_per_hour is not None and replica.usd_per_hour > 0:
        allowed = min(allowed, int(bounds.budget_usd_per_hour / replica.usd_per_hour))
    return max(allowed, bounds.min_replicas, 1)


def _ruled(window: Window, fleet: Fleet, policy: Policy, now_s: float) -> Decision:
    match policy:
        case PacelinePolicy():
            return paceline.decide(window, fleet, policy, now_s)
        case KnativePolicy():
            return knative.decide(window, fleet, policy, now_s)
        case QueueDelayPolicy():
            return queue_delay.decide(window, fleet, policy, now_s)
        case RequestCountPolicy():
            return request_count.decide(window, fleet, policy, now_s)
        case RpsPolicy():
            return rps.decide(window, fleet, policy, now_s)


def _bounded(found: Decision, window: Window, replica: Replica, policy: Policy) -> Decision:
    """Within the limits that no policy may leave: a stream that is open keeps a replica."""
    low, high = fewest(policy, replica), most_allowed(policy.bounds, replica)
    if window.in_flight and low == 0:
        low = 1
    if found.replicas < low:
        return replace(found, replicas=low, because=f"{found.because}; at least {low}")
    if found.replicas > high:
        because = f"{found.because}; {found.replicas} wanted, at most {high}"
        return replace(found, replicas=high, because=because)
    return found
