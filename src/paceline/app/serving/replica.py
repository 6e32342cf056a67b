"""One replica as the supervisor holds it: the record, its place in the table, its keeper."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from paceline.app.serving.facts import VersionFacts
from paceline.app.serving.journal import Journal
from paceline.app.serving.keeper import Keeper, Ready
from paceline.deploy.coldstart import Start, begun, entered, times
from paceline.deploy.machine import ReplicaEvent, after
from paceline.deploy.reconcile import Seen
from paceline.records.deployment import Phase, ReplicaRecord, ReplicaState, ReplicaStep
from paceline.records.gateway import ReplicaPulse, ReplicaRoute

IN_TABLE: Final = (ReplicaState.SERVING, ReplicaState.DRAINING)
BEFORE_ENGINE: Final = (Phase.ENVIRONMENT, Phase.WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """Where it answers, and since when: UTC for the gateway, monotonic for durations."""

    ready: Ready
    admitted_at_s: float
    admitted_s: float


class Replica:
    """Changes its state only through the table, and stores each change before it acts on it."""

    def __init__(self, record: ReplicaRecord, facts: VersionFacts, journal: Journal) -> None:
        self.record = record
        self.facts = facts
        self.keeper: Keeper | None = None
        self.start: Start | None = None
        self.in_flight = 0
        self.idle_s = 0.0
        self.drain_began_s: float | None = None
        self.table_revision: int | None = None
        """The first table that shows whether it gets requests or drains, as it is now."""
        self._served: _Served | None = None
        self._journal = journal
        journal.add_replica(record)

    @property
    def id(self) -> str:
        return self.record.replica_id

    @property
    def state(self) -> ReplicaState:
        return self.record.state

    @property
    def version(self) -> int:
        return self.record.version

    @property
    def admitted(self) -> bool:
        """Whether it ever served."""
        return self._served is not None

    @property
    def holds_nothing(self) -> bool:
        """It ends and has no engine: what is left is an installation that cannot be broken off."""
        if self.state is not ReplicaState.STOPPING or self.start is None:
            return False
        return self.start.phase in BEFORE_ENGINE

    def waits_for(self, others: Iterable["Replica"]) -> str | None:
        """Why it may not start before another one has ended; `None` when it may."""
        ending = [other for other in others if other.state is ReplicaState.STOPPING]
        if not all(other.holds_nothing for other in ending):
            return "another replica still holds its memory"
        if any(other.version == self.version for other in ending):  # it would wait for it inside
            return "an earlier start of its version still installs it"
        return None

    def served_s(self, now_s: float) -> float:
        """For how long it has served, 0 when it never did."""
        return 0.0 if self._served is None else now_s - self._served.admitted_s

    def launch(self, keeper: Keeper, now_s: float, because: str) -> None:
        """Begin its cold start; from now on it has its devices."""
        self.record = replace(self.record, launched_at_utc=self._journal.now_utc())
        self._move(ReplicaEvent.LAUNCHED, because)
        self.start = begun(now_s)
        self.keeper = keeper
        keeper.start()

    def enter(self, phase: Phase, now_s: float) -> None:
        """The next phase of its cold start."""
        if self.start is not None and phase is not self.start.phase:
            self.start = entered(self.start, phase, now_s)

    def admit(self, ready: Ready, now_s: float, at_s: float) -> None:
        """It may get requests."""
        cold_start = None if self.start is None else times(self.start, now_s)
        self.record = replace(self.record, port=ready.port, cold_start=cold_start)
        self._served = _Served(ready=ready, admitted_at_s=at_s, admitted_s=now_s)
        self.table_revision = None
        self._move(ReplicaEvent.ADMITTED, "it answered its warm-up and its probe")

    def retire(self, now_s: float, because: str) -> None:
        """No new requests."""
        self._move(ReplicaEvent.RETIRED, because)
        self.drain_began_s, self.table_revision = now_s, None

    def recall(self, because: str) -> None:
        """New requests again."""
        self._move(ReplicaEvent.RECALLED, because)
        self.drain_began_s = self.table_revision = None

    def drained(self, because: str) -> None:
        """Nothing is left to wait for."""
        self._move(ReplicaEvent.DRAINED, because)
        self._stop()

    def call_off(self, because: str) -> None:
        """It is not needed after all."""
        self._move(ReplicaEvent.CALLED_OFF, because)
        self._stop()

    def broke(self, because: str) -> None:
        """It cannot serve."""
        self._move(ReplicaEvent.BROKE, because)
        self._stop()

    def released(self) -> None:
        """Its process is gone."""
        self._move(ReplicaEvent.RELEASED, "its process is gone")

    def pulse(self, pulse: ReplicaPulse) -> None:
        """What the gateway sees of it."""
        self.in_flight, self.idle_s = pulse.in_flight, pulse.idle_s

    def seen(self, now_s: float) -> Seen:
        """For decisions."""
        return Seen(
            replica_id=self.id,
            version=self.version,
            state=self.state,
            in_flight=self.in_flight,
            idle_s=self.idle_s,
            serving_s=self.served_s(now_s),
        )

    def route(self, share: float | None) -> ReplicaRoute | None:
        """Its line in the gateway's table; `None` when it has none."""
        if self._served is None or self.state not in IN_TABLE:
            return None
        return ReplicaRoute(
            replica_id=self.id,
            host=self._served.ready.host,
            port=self._served.ready.port,
            model_name=self._served.ready.model_name,
            version=self.version,
            capacity=self.facts.replica.concurrency,
            admitted_at_s=self._served.admitted_at_s,
            usd_per_hour=self.facts.replica.usd_per_hour,
            draining=self.state is ReplicaState.DRAINING,
            share=share,
        )

    def _stop(self) -> None:
        if self.keeper is not None:
            self.keeper.stop()

    def _move(self, event: ReplicaEvent, because: str) -> None:
        before = self.record.state
        following = after(before, event)
        now_utc = self._journal.now_utc()
        ended_at_utc = now_utc if following is ReplicaState.ENDED else None
        self.record = replace(self.record, state=following, ended_at_utc=ended_at_utc)
        step = ReplicaStep(
            replica_id=self.id,
            before=before,
            event=event.value,
            after=following,
            because=because,
            at_utc=now_utc,
        )
        self._journal.move_replica(step, self.record)
