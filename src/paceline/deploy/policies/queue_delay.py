"""RunPod's "queue delay" scaler: more when requests wait too long, fewer when workers idle."""

from dataclasses import replace

from paceline.deploy.memory import advanced, since_s
from paceline.records.scaling import Decision, Fleet, QueueDelayPolicy
from paceline.records.traffic import Window


def decide(window: Window, fleet: Fleet, policy: QueueDelayPolicy, now_s: float) -> Decision:
    """One more per `queue_delay_s` as long as somebody queued waits longer than that."""
    memory = advanced(fleet.memory, now_s, window)
    longest_s = max(window.waits_s, default=0.0) if window.queued else 0.0
    if window.queued and not fleet.wanted:
        memory = replace(memory, changed_s=memory.clock_s)
        return Decision(replicas=1, because="a request and no worker", memory=memory)
    may_add = since_s(memory, memory.changed_s) >= policy.queue_delay_s and not (
        policy.counts_starting and fleet.starting
    )
    if longest_s > policy.queue_delay_s and may_add:
        memory = replace(memory, changed_s=memory.clock_s)
        because = f"a request waits {longest_s:.1f} s, above {policy.queue_delay_s:g} s"
        return Decision(replicas=fleet.wanted + 1, because=because, memory=memory)
    idle = sum(idle_s >= policy.idle_timeout_s for idle_s in fleet.idle_s)
    if idle and not window.queued:
        because = f"{idle} idle for {policy.idle_timeout_s:g} s"
        return Decision(replicas=fleet.wanted - idle, because=because, memory=memory)
    because = f"longest wait {longest_s:.1f} s, {idle} idle long enough"
    return Decision(replicas=fleet.wanted, because=because, memory=memory)
