"""What the gateway is told, from what is wanted and seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paceline.deploy.policies.demand import room
from paceline.records.deployment import Endpoint, Progress
from paceline.records.gateway import (
    EndpointRoute,
    KeyRule,
    ReplicaRoute,
    Starting,
    Table,
    WorkspaceRule,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Who may ask: the one place where keys come into the table.

    Without `required` anybody who can reach the gateway may ask; that is for loopback only.
    """

    keys: tuple[KeyRule, ...] = ()
    workspaces: tuple[WorkspaceRule, ...] = ()
    required: bool = True


def endpoint_route(
    endpoint: Endpoint,
    *,
    version: int,
    routes: tuple[str, ...],
    replicas: Sequence[ReplicaRoute],
    starting: tuple[Progress, float] | None,
    failed: str | None,
    usd_per_mtok: float = 0.0,
    usd_per_image: float = 0.0,
    usd_per_mtok_embedded: float = 0.0,
    first_byte_timeout_s: float | None = None,
) -> EndpointRoute:
    """One endpoint; `starting` is announced with the UTC time (s) that its eta counts from.

    `replicas` have the concurrency that was measured as capacity; where the endpoint is told to aim
    at more, they are given more.
    `first_byte_timeout_s` is how long an answer that comes whole was found to need, unless the
    endpoint says how long it may take; without either it is the gateway's usual patience.
    """
    announced = None
    if starting is not None:
        progress, at_s = starting
        announced = Starting(
            phase=progress.phase.value,
            progress=progress.progress,
            eta_s=progress.eta_s,
            at_s=at_s,
        )
    route = EndpointRoute(
        name=endpoint.name,
        workspace=endpoint.workspace,
        aliases=endpoint.aliases,
        version=version,
        routes=routes,
        replicas=tuple(
            replace(one, capacity=room(endpoint.policy, one.capacity)) for one in replicas
        ),
        queue_length=endpoint.queue_length,
        hold_s=endpoint.hold_s,
        unknown_parameters=endpoint.unknown_parameters,
        prefix_affine=endpoint.prefix_affine,
        usd_per_million_output_tokens=usd_per_mtok,
        usd_per_image=usd_per_image,
        usd_per_million_embedded_tokens=usd_per_mtok_embedded,
        starting=announced,
        failed=failed,
    )
    patience_s = endpoint.answer_timeout_s or first_byte_timeout_s
    return route if patience_s is None else replace(route, answer_timeout_s=patience_s)


def make_table(revision: int, routes: Sequence[EndpointRoute], guard: Guard) -> Table:
    """The whole table."""
    return Table(
        revision=revision,
        endpoints=tuple(routes),
        keys=guard.keys,
        keys_required=guard.required,
        workspaces=guard.workspaces,
    )
