"""Requests per second ÷ a target per replica: blind to how long each one takes."""

from paceline.deploy.memory import advanced
from paceline.deploy.policies.means import mean_of_last, replicas_for
from paceline.records.scaling import Decision, Fleet, RpsPolicy
from paceline.records.traffic import Window


def decide(window: Window, fleet: Fleet, policy: RpsPolicy, now_s: float) -> Decision:
    """As many as the mean rate needs; at least one while anybody wants an answer.

    Raises ValueError when neither the policy nor the replica knows a rate.
    """
    memory = advanced(fleet.memory, now_s, window)
    target_rps = policy.target_rps
    if target_rps is None and fleet.replica.requests_per_s is not None:
        target_rps = policy.target_share * fleet.replica.requests_per_s
    if target_rps is None:
        raise ValueError("no target: neither policy.target_rps nor replica.requests_per_s is set")
    rate_rps = mean_of_last(window.arrivals, policy.window_s)
    wanted = max(replicas_for(rate_rps, target_rps), min(window.present, 1))
    because = f"{rate_rps:.2f} requests/s over {policy.window_s:g} s at {target_rps:.2f} each"
    return Decision(replicas=wanted, because=because, memory=memory)
