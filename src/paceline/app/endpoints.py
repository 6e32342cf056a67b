"""Looking at endpoints: what is wanted, what is seen, and why."""

from dataclasses import asdict, dataclass
from typing import Final

from paceline.app.audit import a_note
from paceline.app.serving.lock import is_served
from paceline.app.wiring import Workshop
from paceline.deploy.coldstart import total_s
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.deployment import (
    Endpoint,
    EndpointStatus,
    LogKind,
    LogLine,
    ReplicaRecord,
)

REPLICAS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An endpoint with what was last seen of it; `served` when somebody keeps it up now."""

    endpoint: Endpoint
    status: EndpointStatus | None
    served: bool

    @property
    def state(self) -> str:
        """In one word or two."""
        if not self.served:
            return "not served"
        if self.status is None or self.status.revision != self.endpoint.revision:
            return "deploying"
        return self.status.state.value


def all_endpoints(shop: Workshop) -> tuple[Shown, ...]:
    """By name."""
    served = is_served(shop.places.data)
    kept = shop.store.deployments
    return tuple(
        Shown(endpoint=one, status=kept.status(one.name), served=served) for one in kept.endpoints()
    )


def one_endpoint(name: str, shop: Workshop) -> Shown:
    """Raises SpecError for an unknown name."""
    endpoint = shop.store.deployments.endpoint(name)
    status = shop.store.deployments.status(name)
    return Shown(endpoint=endpoint, status=status, served=is_served(shop.places.data))


def replicas_of(name: str, shop: Workshop) -> tuple[ReplicaRecord, ...]:
    """The latest, those that run first."""
    kept = shop.store.deployments
    live = kept.replicas(endpoint=name, live=True)
    latest = kept.replicas(endpoint=name, limit=REPLICAS_SHOWN)
    return (*live, *(one for one in latest if one not in live))


def log_of(name: str, shop: Workshop, *, limit: int | None = None) -> tuple[LogLine, ...]:
    """What was decided about an endpoint, also when it was removed."""
    return shop.store.deployments.log_of(name, limit=limit)


def remove(name: str, shop: Workshop, *, actor: str = LOCAL) -> None:
    """No longer want it; what runs is drained by `paceline serve`. Raises SpecError."""
    endpoint = shop.store.deployments.endpoint(name)
    note = a_note(
        AuditKind.UNDEPLOYED,
        f"version {endpoint.version} is no longer wanted",
        actor=actor,
        subject=name,
        clock=shop.clock,
        pipeline=endpoint.pipeline,
    )
    shop.store.deployments.remove_endpoint(name, notes=[note])
    shop.store.deployments.log(
        LogLine(
            endpoint=name,
            at_utc=shop.clock.utc_now().isoformat(timespec="seconds"),
            kind=LogKind.DEPLOY,
            because="removed by command",
        )
    )


def endpoint_document(shown: Shown) -> dict[str, object]:
    """One endpoint as JSON."""
    endpoint, status = shown.endpoint, shown.status
    return {
        "name": endpoint.name,
        "aliases": endpoint.aliases,
        "workspace": endpoint.workspace,
        "pipeline": endpoint.pipeline,
        "version": endpoint.version,
        "state": shown.state,
        "because": None if status is None else status.because,
        "serving_version": None if status is None else status.stable,
        "replicas": {
            "wanted": 0 if status is None else status.replicas,
            "ready": 0 if status is None or not shown.served else status.ready,
            "starting": 0 if status is None or not shown.served else status.starting,
        },
        "progress": None
        if status is None or status.progress is None or not shown.served
        else asdict(status.progress),
        "failed": [] if status is None else [asdict(one) for one in status.failed],
        "policy": asdict(endpoint.policy),
        "canary": None if endpoint.canary is None else asdict(endpoint.canary),
        "hold_s": endpoint.hold_s,
        "queue_length": endpoint.queue_length,
        "drain_timeout_s": endpoint.drain_timeout_s,
        "answer_timeout_s": endpoint.answer_timeout_s,
        "share_device": endpoint.share_device,
        "unknown_parameters": endpoint.unknown_parameters.value,
        "prefix_affine": endpoint.prefix_affine,
        "deployed_at": endpoint.deployed_at_utc,
        "revision": endpoint.revision,
    }


def replica_document(replica: ReplicaRecord) -> dict[str, object]:
    """One replica as JSON."""
    cold_start = replica.cold_start
    return {
        **asdict(replica),
        "cold_start_s": None if cold_start is None else total_s(cold_start),
    }
