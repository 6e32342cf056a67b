"""The designed policy: up where it can help, down late and one at a time, to zero when it pays.

What each rule is for, and what was measured, is in `docs/concepts/autoscaling.md`.
"""

import math
from dataclasses import replace
from typing import Final

from paceline.deploy.memory import advanced, most, quiet_s, remembered
from paceline.deploy.pace import load_on
from paceline.deploy.policies.demand import (
    Demand,
    demand,
    expected_service_s,
    hold_share,
    room,
    standard_error,
    target_in_flight,
)
from paceline.records.scaling import Decision, Fleet, Memory, Mode, PacelinePolicy, Replica
from paceline.records.traffic import Window

DOWN_AFTER_S: Final = {Mode.FLEX: 30.0, Mode.ACTIVE: 120.0}
BURST_HOLD_S: Final = 60.0
IDLE_COLD_STARTS: Final = 4.0
UNKNOWN_IDLE_S: Final = 60.0
SHORTEST_IDLE_S: Final = 20.0
LONGEST_IDLE_S: Final = 300.0
ERRORS_OF_A_FALL: Final = 5.0
"""Below the load that needs every replica. With 5 steady traffic never turned, with 4.5 it did."""


def decide(window: Window, fleet: Fleet, policy: PacelinePolicy, now_s: float) -> Decision:
    """The count from now on; pure."""
    memory = advanced(fleet.memory, now_s, window)
    asked = demand(window, fleet, policy, memory)
    memory = _remember(memory, asked, policy, fleet.replica)
    if asked.replicas > fleet.wanted and window.present:
        return Decision(replicas=asked.replicas, because=asked.because, memory=memory)
    if not fleet.wanted:
        return Decision(replicas=0, because="nothing to do", memory=memory)
    because = _held(memory, policy)
    if because is None and _idle(window, fleet, policy, memory):
        because = f"idle for {quiet_s(memory):.0f} s"
        return Decision(replicas=0, because=because, memory=memory)
    if because is None and fleet.wanted == 1:
        because = _last(window, fleet.replica, policy, asked, memory)
    because = because or _needed(fleet, policy, asked, memory)
    if because is not None:
        return Decision(replicas=fleet.wanted, because=because, memory=memory)
    because = f"{asked.because}; {asked.burst:.1f} over {policy.burst_s:g} s"
    return Decision(replicas=fleet.wanted - 1, because=because, memory=memory)


def idle_timeout_s(policy: PacelinePolicy, replica: Replica) -> float:
    """How long the endpoint keeps a replica without traffic."""
    if policy.idle_timeout_s is not None:
        return policy.idle_timeout_s
    if replica.cold_start_s <= 0:
        return UNKNOWN_IDLE_S
    worth_s = IDLE_COLD_STARTS * replica.cold_start_s * hold_share(replica.cold_start_s)
    return min(max(worth_s, SHORTEST_IDLE_S), LONGEST_IDLE_S)


def keeps_one(policy: PacelinePolicy, replica: Replica) -> bool:
    """Whether the endpoint never goes to zero: active, or too slow to start again."""
    return policy.mode is Mode.ACTIVE or replica.cold_start_s > cold_start_budget_s(policy, replica)


def cold_start_budget_s(policy: PacelinePolicy, replica: Replica) -> float:
    """How long a start may take: as the user has it, else what is usual for what it serves."""
    if policy.cold_start_budget_s is not None:
        return policy.cold_start_budget_s
    return replica.cold_start_budget_s


def _remember(memory: Memory, asked: Demand, policy: PacelinePolicy, replica: Replica) -> Memory:
    now_s, share = memory.clock_s, hold_share(replica.cold_start_s)
    down_after_s, burst_hold_s = policy.down_after_s, policy.burst_hold_s
    if down_after_s is None:
        down_after_s = DOWN_AFTER_S[policy.mode] * share
    if burst_hold_s is None:
        burst_hold_s = BURST_HOLD_S * share
    counts = remembered(memory.counts, now_s, max(asked.replicas, asked.at_once), down_after_s)
    peaks = remembered(memory.peaks, now_s, asked.stable, policy.peak_s)
    hold_until_s = now_s + burst_hold_s if asked.bursting else memory.hold_until_s
    return replace(memory, counts=counts, peaks=peaks, hold_until_s=hold_until_s)


def _held(memory: Memory, policy: PacelinePolicy) -> str | None:
    """Why nothing may go whatever the traffic; `None` when something may."""
    if memory.clock_s < policy.stable_s:
        return f"watching for {memory.clock_s:.0f} s only"
    if memory.hold_until_s is not None and memory.clock_s < memory.hold_until_s:
        return f"{memory.hold_until_s - memory.clock_s:.0f} s until a burst counts as over"
    return None


def _idle(window: Window, fleet: Fleet, policy: PacelinePolicy, memory: Memory) -> bool:
    return (
        not window.present
        and quiet_s(memory) >= idle_timeout_s(policy, fleet.replica)
        and not keeps_one(policy, fleet.replica)
    )


def _last(
    window: Window, replica: Replica, policy: PacelinePolicy, asked: Demand, memory: Memory
) -> str:
    """Why the last one stays."""
    if not window.quiet:
        return asked.because
    if policy.mode is Mode.ACTIVE:
        return "active: the last one stays"
    if keeps_one(policy, replica):
        budget_s = cold_start_budget_s(policy, replica)
        return f"a cold start of {replica.cold_start_s:g} s is over the budget of {budget_s:g} s"
    return f"idle for {quiet_s(memory):.0f} s of {idle_timeout_s(policy, replica):g} s"


def _needed(fleet: Fleet, policy: PacelinePolicy, asked: Demand, memory: Memory) -> str | None:
    """Why one fewer would not do, or not yet; `None` when it would."""
    recent = int(most(memory.counts))
    if recent >= fleet.wanted:
        return f"{recent} were needed a moment ago"
    if fleet.stopping:
        return f"{fleet.stopping} still ending; one at a time"
    return _too_full(fleet, policy, asked, memory)


def _too_full(fleet: Fleet, policy: PacelinePolicy, asked: Demand, memory: Memory) -> str | None:
    """Whether one fewer would soon be too few: now, or at the last minutes' peak."""
    fewer = fleet.wanted - 1
    carried = fewer * target_in_flight(policy, fleet.replica)
    roomy = replace(fleet.replica, concurrency=room(policy, fleet.replica.concurrency))

    def share(load: float) -> float:
        return load_on(roomy, load, now=fleet.wanted, then=fewer) / carried

    now, peak = share(max(asked.stable, asked.burst)), share(most(memory.peaks))
    known = memory.clock_s >= policy.peak_s
    if now < policy.gone_share or (known and max(now, peak) < policy.down_share):
        return None
    if share(asked.burst) < policy.down_share - _chance(carried, fleet, policy, memory):
        return None
    return f"{fewer} would be at {now:.0%} of target, {peak:.0%} at the peak"


def _chance(carried: float, fleet: Fleet, policy: PacelinePolicy, memory: Memory) -> float:
    """By how much chance alone may lower the last seconds of traffic that needs every replica.

    As a share of what fewer carry; infinite where cold starts are long enough for the minute to be
    waited for, or where the service time is not known.
    """
    service_s = expected_service_s(memory, fleet.replica)
    if service_s is None or hold_share(fleet.replica.cold_start_s) == 1.0:
        return math.inf
    least = policy.down_share * carried
    return ERRORS_OF_A_FALL * standard_error(least, service_s, policy.burst_s) / carried
