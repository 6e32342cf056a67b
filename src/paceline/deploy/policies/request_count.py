"""RunPod's "request count" scaler: ceil((queued + in progress) ÷ count)."""

from paceline.deploy.memory import advanced
from paceline.deploy.policies.means import replicas_for
from paceline.records.scaling import Decision, Fleet, RequestCountPolicy
from paceline.records.traffic import Window


def decide(window: Window, fleet: Fleet, policy: RequestCountPolicy, now_s: float) -> Decision:
    """The formula upwards at once; downwards only workers that were idle long enough."""
    memory = advanced(fleet.memory, now_s, window)
    wanted = replicas_for(window.present, policy.request_count)
    because = f"{window.present} requests at {policy.request_count} per worker"
    if wanted < fleet.wanted:
        idle = sum(idle_s >= policy.idle_timeout_s for idle_s in fleet.idle_s)
        wanted = max(wanted, fleet.wanted - idle)
        because = f"{because}, {idle} idle for {policy.idle_timeout_s:g} s"
    return Decision(replicas=wanted, because=because, memory=memory)
