"""The metrics page of a serving Paceline: the gateway's, what its supervisor knows, its devices.

Names and meanings are in docs/guides/serve.md and docs/reference/http.md. Nothing here asks the
store, which may be away when a page is wanted most.
"""

import os
import re
import threading
from collections.abc import Iterator
from typing import Final

from paceline.app.serving.gateway_process import socket_path, state_folder
from paceline.app.serving.overview import Noticeboard, Overview
from paceline.app.wiring import Workshop
from paceline.deploy.gateway.control import GatewayControl, GatewayGone
from paceline.ports.telemetry import TelemetryReader
from paceline.records.deployment import Phase, ReplicaRecord
from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap
from paceline.units import BYTES_PER_GIB

ANSWERS_WITHIN_S: Final = 2.0
THIS_MACHINE: Final = Target(base_url="http://127.0.0.1", model="")
_GAUGE: Final = re.compile(r"(gpu\d+)_(memory_used_gib|memory_total_gib|utilization_percent)")
_DEVICE_METRICS: Final = {
    "memory_used_gib": ("paceline_device_memory_used_bytes", BYTES_PER_GIB),
    "memory_total_gib": ("paceline_device_memory_total_bytes", BYTES_PER_GIB),
    "utilization_percent": ("paceline_device_utilization_ratio", 0.01),
}


class MetricsPage:
    """Makes the page whenever it is asked for, by any thread."""

    def __init__(self, shop: Workshop, board: Noticeboard) -> None:
        self._shop = shop
        self._board = board
        # Invariant: one thread opens and reads the devices at a time.
        self._lock = threading.Lock()
        self._devices: TelemetryReader | TelemetryGap | None = None

    def text(self) -> str:
        """In Prometheus' text format; without the gateway's part while the gateway is away."""
        seen = self._board.latest
        lines = (
            *_supervisor_lines(seen),
            *_use_lines(seen),
            *_price_lines(seen),
            *_host_lines(),
            *_device_lines(self._snapshot()),
        )
        return _gateway_page(self._shop) + "\n".join(lines) + "\n"

    def _snapshot(self) -> Snapshot | TelemetryGap:
        with self._lock:
            if self._devices is None:
                self._devices = self._shop.accelerator_telemetry.open(THIS_MACHINE)
            if isinstance(self._devices, TelemetryGap):
                return self._devices
            return self._devices.read()


def _gateway_page(shop: Workshop) -> str:
    path = socket_path(state_folder(shop))
    if not path.exists():  # nothing to wait for
        return ""
    try:
        with GatewayControl.connect(path, timeout_s=ANSWERS_WITHIN_S) as control:
            return control.metrics(timeout_s=ANSWERS_WITHIN_S)
    except (GatewayGone, TimeoutError):
        return ""


def _supervisor_lines(seen: Overview) -> Iterator[str]:
    yield "# TYPE paceline_store_away gauge"
    yield f"paceline_store_away {seen.store_away:d}"
    yield "# TYPE paceline_replicas gauge"
    for status in seen.statuses:
        counts = {"wanted": status.replicas, "ready": status.ready, "starting": status.starting}
        for state, count in counts.items():
            yield f'paceline_replicas{{endpoint="{status.name}",state="{state}"}} {count}'
    yield "# TYPE paceline_versions_failed gauge"
    for status in seen.statuses:
        failed = sum(one.revision == status.revision for one in status.failed)
        yield f'paceline_versions_failed{{endpoint="{status.name}"}} {failed}'
    yield "# TYPE paceline_cold_start_seconds gauge"
    for start in seen.starts:
        yield from _cold_start(start)


def _use_lines(seen: Overview) -> Iterator[str]:
    labelled = [
        (f'endpoint="{one.endpoint}",version="{one.version}",replica="{one.replica_id}"', one.use)
        for one in seen.uses
    ]
    yield "# TYPE paceline_replica_cpu_seconds_total counter"
    for labels, use in labelled:
        yield f"paceline_replica_cpu_seconds_total{{{labels}}} {use.cpu_s:.2f}"
    yield "# TYPE paceline_replica_memory_bytes gauge"
    for labels, use in labelled:
        yield f"paceline_replica_memory_bytes{{{labels}}} {use.memory_bytes}"


def _price_lines(seen: Overview) -> Iterator[str]:
    """What replicas cost now, where that is known: idle ones cost as much as busy ones."""
    yield "# TYPE paceline_replica_usd_per_hour gauge"
    for one in seen.replicas:
        if one.usd_per_hour is not None:
            labels = f'endpoint="{one.endpoint}",version="{one.version}",replica="{one.replica_id}"'
            yield f"paceline_replica_usd_per_hour{{{labels}}} {one.usd_per_hour:.12g}"


def _host_lines() -> Iterator[str]:
    """What the replicas share, to compare with."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield "# TYPE paceline_host_memory_total_bytes gauge"
    yield f"paceline_host_memory_total_bytes {pages}"
    yield "# TYPE paceline_host_cpus gauge"
    yield f"paceline_host_cpus {len(os.sched_getaffinity(0))}"


def _device_lines(read: Snapshot | TelemetryGap) -> Iterator[str]:
    gauges = {} if isinstance(read, TelemetryGap) else read.gauges
    found = [match for name in gauges if (match := _GAUGE.fullmatch(name)) is not None]
    for gauge, (metric, factor) in _DEVICE_METRICS.items():
        values = {match[1]: gauges[match[0]] * factor for match in found if match[2] == gauge}
        if values:  # a machine without accelerators says nothing of them
            yield f"# TYPE {metric} gauge"
        for device, value in values.items():
            yield f'{metric}{{device="{device}"}} {value:.12g}'


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
