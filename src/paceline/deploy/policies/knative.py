"""Knative's pod autoscaler on concurrency: stable and panic windows.

Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go (commit 00a4a55), told in our words.
Not covered: the activator's burst capacity, activation scale and the delay of scale-down (0 by
default). Nothing goes to zero before the stable window and the grace period were without traffic.
"""

import math
from dataclasses import replace

from paceline.deploy.memory import advanced, most, quiet_s, remembered
from paceline.deploy.policies.means import mean_of_last, replicas_for
from paceline.records.scaling import Decision, Fleet, KnativePolicy
from paceline.records.traffic import Window


def decide(window: Window, fleet: Fleet, policy: KnativePolicy, now_s: float) -> Decision:
    """The larger window in panic, the stable one otherwise; in panic never fewer."""
    memory = advanced(fleet.memory, now_s, window)
    target = policy.target_share * fleet.replica.concurrency
    load = [
        serving + waiting for serving, waiting in zip(window.serving, window.waiting, strict=True)
    ]
    stable_load = mean_of_last(load, policy.stable_s)
    panic_load = mean_of_last(load, policy.panic_s)
    ready = max(fleet.ready, 1)
    highest = math.ceil(policy.max_scale_up_rate * ready)
    lowest = math.floor(ready / policy.max_scale_down_rate) if fleet.ready else 0
    stable = min(max(replicas_for(stable_load, target), lowest), highest)
    panic = min(max(replicas_for(panic_load, target), lowest), highest)
    if replicas_for(panic_load, target) / ready >= policy.panic_threshold:
        memory = replace(memory, hold_until_s=memory.clock_s + policy.stable_s)
    if memory.hold_until_s is not None and memory.clock_s <= memory.hold_until_s:
        counts = remembered(memory.counts, memory.clock_s, max(stable, panic), math.inf)
        memory = replace(memory, counts=counts)
        because = f"panic: {panic_load:.1f} requests over {policy.panic_s:g} s at {target:g} each"
        return Decision(replicas=int(most(memory.counts)), because=because, memory=memory)
    memory = replace(memory, hold_until_s=None, counts=())
    quiet_needed_s = policy.stable_s + policy.scale_to_zero_grace_s
    if stable == 0 and fleet.wanted and quiet_s(memory) < quiet_needed_s:
        because = f"quiet for {quiet_s(memory):.0f} s of {quiet_needed_s:g} s"
        return Decision(replicas=1, because=because, memory=memory)
    if stable == 0 and window.present:
        return Decision(replicas=1, because="a request and no replica", memory=memory)
    because = f"{stable_load:.1f} requests over {policy.stable_s:g} s at {target:g} per replica"
    return Decision(replicas=stable, because=because, memory=memory)
