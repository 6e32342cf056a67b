"""Which version shall serve: the wanted one, the one before it, or both for a while.

A version that failed in this deployment is not tried again; what carried the traffic before comes
back. Nothing is started here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paceline.records.deployment import Endpoint, FailedVersion, ReplicaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`replicas` of `version`, and one of `canary` beside them; `version` `None`: none can be."""

    version: int | None
    replicas: int
    canary: int | None = None


def failed_versions(endpoint: Endpoint, failed: Sequence[FailedVersion]) -> frozenset[int]:
    """Versions that failed since the last `deploy`."""
    return frozenset(one.version for one in failed if one.revision == endpoint.revision)


def fallback(endpoint: Endpoint, stable: int | None, failed: Sequence[FailedVersion]) -> int | None:
    """The version that comes back when the wanted one fails; `None`: nothing stands behind it.

    `stable` is the version that last carried all traffic.
    """
    out = failed_versions(endpoint, failed)
    return None if stable in out or stable == endpoint.version else stable


def is_backed(
    version: int, endpoint: Endpoint, stable: int | None, failed: Sequence[FailedVersion]
) -> bool:
    """Whether another version takes over when this one fails."""
    return version == endpoint.version and fallback(endpoint, stable, failed) is not None


def target(
    endpoint: Endpoint, stable: int | None, failed: Sequence[FailedVersion], replicas: int
) -> Target:
    """What the replicas shall become when `replicas` are wanted; `stable` as in `fallback`."""
    behind = fallback(endpoint, stable, failed)
    if endpoint.version in failed_versions(endpoint, failed):
        return Target(version=behind, replicas=replicas if behind is not None else 0)
    if endpoint.canary is not None and behind is not None:
        canary = endpoint.version if replicas else None
        return Target(version=behind, replicas=replicas, canary=canary)
    return Target(version=endpoint.version, replicas=replicas)


def carries_all(wanted: Target, states: Sequence[tuple[int, ReplicaState]]) -> bool:
    """Whether `wanted.version` now serves alone; `states` are version and state per replica."""
    live = [
        (version, state)
        for version, state in states
        if state in (ReplicaState.QUEUED, ReplicaState.STARTING, ReplicaState.SERVING)
    ]
    return (
        wanted.canary is None
        and all(version == wanted.version for version, _ in live)
        and any(state is ReplicaState.SERVING for _, state in live)
    )
