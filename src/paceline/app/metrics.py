"""The metrics page of a serving Paceline: the gateway's, and what its supervisor knows.

Names and meanings are in docs/guides/serve.md and docs/reference/http.md.
"""

from collections.abc import Iterator
from typing import Final

from paceline.app.serving.gateway_process import socket_path, state_folder
from paceline.app.wiring import Workshop
from paceline.deploy.gateway.control import GatewayControl, GatewayGone
from paceline.records.deployment import Phase, ReplicaRecord

ANSWERS_WITHIN_S: Final = 2.0


def metrics_page(shop: Workshop) -> str:
    """In Prometheus' text format; without the gateway's part while the gateway is away."""
    return _gateway_page(shop) + "\n".join(_supervisor_lines(shop)) + "\n"


def _gateway_page(shop: Workshop) -> str:
    path = socket_path(state_folder(shop))
    try:
        with GatewayControl.connect(path, timeout_s=ANSWERS_WITHIN_S) as control:
            return control.metrics(timeout_s=ANSWERS_WITHIN_S)
    except (GatewayGone, TimeoutError):
        return ""


def _supervisor_lines(shop: Workshop) -> Iterator[str]:
    kept = shop.store.deployments
    statuses = [status for one in kept.endpoints() if (status := kept.status(one.name))]
    yield "# TYPE paceline_replicas gauge"
    for status in statuses:
        counts = {"wanted": status.replicas, "ready": status.ready, "starting": status.starting}
        for state, count in counts.items():
            yield f'paceline_replicas{{endpoint="{status.name}",state="{state}"}} {count}'
    yield "# TYPE paceline_versions_failed gauge"
    for status in statuses:
        failed = sum(one.revision == status.revision for one in status.failed)
        yield f'paceline_versions_failed{{endpoint="{status.name}"}} {failed}'
    yield "# TYPE paceline_cold_start_seconds gauge"
    for status in statuses:
        latest = (one for one in kept.replicas(endpoint=status.name) if one.cold_start is not None)
        found = next(latest, None)
        if found is not None:
            yield from _cold_start(found)


def _cold_start(replica: ReplicaRecord) -> Iterator[str]:
    cold = replica.cold_start
    if cold is None:
        return
    times_s = {
        Phase.ENVIRONMENT: cold.environment_s,
        Phase.WEIGHTS: cold.weights_s,
        Phase.ENGINE: cold.engine_s,
        Phase.WARM_UP: cold.warmup_s,
    }
    for phase, took_s in times_s.items():
        if took_s is not None:
            labels = (
                f'endpoint="{replica.endpoint}",version="{replica.version}",phase="{phase.value}"'
            )
            yield f"paceline_cold_start_seconds{{{labels}}} {took_s:.3f}"
