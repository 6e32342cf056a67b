"""One endpoint on a stage: a clock moved by hand and keepers that only remember."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.serving.desk import Desk
from paceline.app.serving.facts import VersionFacts, with_starts
from paceline.app.serving.fleet import Fleet
from paceline.app.serving.journal import Journal
from paceline.app.serving.keeper import Entered, Keeper, Ready
from paceline.app.serving.replica import Replica
from paceline.clock import ManualClock
from paceline.errors import Code, SetupError, SpecError
from paceline.records.deployment import (
    Endpoint,
    EndpointStatus,
    LogKind,
    Phase,
)
from paceline.records.gateway import EndpointPulse, Pulse, ReplicaPulse
from paceline.records.placement import Device
from paceline.records.run import RunRecord
from paceline.records.scaling import Bounds, PacelinePolicy, ServicePoint
from paceline.records.scaling import Replica as Measured
from paceline.records.version import Version
from paceline.testing.builders import a_model, a_request, a_variant

ENDPOINT = Endpoint(
    name="demo",
    pipeline="demo",
    version=1,
    policy=PacelinePolicy(
        bounds=Bounds(max_replicas=3),
        stable_s=1.0,
        burst_s=1.0,
        burst_hold_s=0.0,
        down_after_s=0.0,
        idle_timeout_s=5.0,
        cold_start_budget_s=60.0,
    ),
    deployed_at_utc="",
    drain_timeout_s=30.0,
)


def state(one: Replica) -> str:
    return one.state.value


def facts(version: int) -> VersionFacts:
    return VersionFacts(
        version=Version(
            pipeline="demo",
            number=version,
            run_id="r",
            variant=a_variant(),
            receipt_sha256="ab",
            created_at_utc="",
        ),
        run=RunRecord(
            run_id="r",
            request=a_request(),
            model=a_model(),
            software_version="0",
            created_at_utc="",
        ),
        replica=Measured(
            concurrency=4,
            cold_start_s=10.0,
            usd_per_hour=1.0,
            service=(ServicePoint(concurrency=4, ttft_ms=10.0, tpot_ms=1.0),),
        ),
        limits=(),
        probe=None,
        usd_per_mtok=2.0,
    )


class FakeKeeper(Keeper):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")

    def probe(self) -> None:
        self.told.append("probe")


class FakeDesk(Desk):
    """Versions 1 to 8 are known; devices are free unless `busy` says otherwise."""

    def __init__(self, clock: ManualClock, spool: Path) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=clock)
        self.journal = Journal(self.store.deployments, clock)
        self.busy: str | None = None
        self.away = False
        self.seen_starts_s: tuple[float, ...] = ()
        self.keepers: dict[str, FakeKeeper] = {}
        self._spool = spool
        self._starts_s = {}
        self._devices = ()
        self._held = {}

    def facts(self, pipeline: str, version: int) -> VersionFacts:
        if self.away:
            raise SetupError(Code.STORE_UNUSABLE, "no database", why="locked", fix="")
        if version > 8:
            raise SpecError(Code.UNKNOWN_NAME, "no such version", why="8 are known", fix="")
        return with_starts(facts(version), self.seen_starts_s)

    def with_cards(self, count: int) -> None:
        self._devices = tuple(
            Device(device_id=str(number), accelerator="cpu") for number in range(count)
        )

    def keeper(
        self, replica_id: str, endpoint: str, facts: VersionFacts, devices: tuple[str, ...]
    ) -> Keeper:
        self.keepers[replica_id] = FakeKeeper()
        return self.keepers[replica_id]

    def device_busy(self, accelerator: str) -> str | None:
        return self.busy


@dataclass
class Stage:
    """A fleet with a gateway that shows what the table says."""

    desk: FakeDesk
    clock: ManualClock
    fleet: Fleet
    revision: int = 0
    in_flight: dict[str, int] = field(default_factory=dict)

    def only(self, version: int | None = None) -> Replica:
        (found,) = [one for one in self.fleet.replicas if version in (None, one.version)]
        return found

    def ready(self, one: Replica) -> None:
        self.admit(one)
        self.pulse()

    def admit(self, one: Replica) -> None:
        """It is ready, and the gateway has not heard of it."""
        for phase in Phase:
            self.fleet.told(Entered(replica_id=one.id, phase=phase))
            self.clock.sleep(0.5)
        self.fleet.told(Ready(replica_id=one.id, host="127.0.0.1", port=20_001, model_name="m"))

    def pulse(self, **more: Any) -> None:
        """The table goes out and the gateway tells what it sees."""
        self.revision += 1
        route = self.fleet.route()
        self.fleet.table_sent(self.revision)
        replicas = () if route is None else route.replicas
        seen = EndpointPulse(
            name="demo",
            in_flight=sum(self.in_flight.values()),
            queued=more.pop("queued", 0),
            oldest_wait_s=0.0,
            arrivals=more.pop("arrivals", 0),
            ended=(),
            waits_s=(),
            ttft_s=more.pop("ttft_s", ()),
        )
        pulses = tuple(
            ReplicaPulse(
                replica_id=one.replica_id,
                in_flight=self.in_flight.get(one.replica_id, 0),
                ejected=False,
                idle_s=0.0,
            )
            for one in replicas
        )
        pulse = Pulse(revision=self.revision, at_s=0.0, endpoints=(seen,), replicas=pulses)
        self.fleet.pulsed(seen, pulse)

    def pass_s(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.sleep(1.0)
            self.pulse()
            self.fleet.tick()

    def status(self) -> EndpointStatus:
        status = self.desk.store.deployments.status("demo")
        assert status is not None
        return status

    def log(self, kind: LogKind) -> list[str]:
        return [x.because for x in self.desk.store.deployments.log_of("demo") if x.kind is kind]


def deploy(stage: Stage, **changes: Any) -> None:
    kept = stage.desk.store.deployments
    stage.fleet.update(kept.put_endpoint(replace(kept.endpoint("demo"), **changes)))
    stage.fleet.work()
