"""One endpoint under way: everything that is decided about its replicas, in one thread.

The decisions are functions of `paceline.deploy`; this holds what they are given and does what they
say. Times are of the monotonic clock unless a name says UTC.
"""

import secrets
from dataclasses import replace
from typing import Final

from paceline.app.serving.desk import Desk
from paceline.app.serving.facts import VersionFacts
from paceline.app.serving.handover import Handover
from paceline.app.serving.keeper import Broke, Entered, Probed, Ready, Released, Told
from paceline.app.serving.portrait import Announcer, state_of, why_failed
from paceline.app.serving.prices import UnitPrices
from paceline.app.serving.replica import Replica
from paceline.app.serving.trial_period import TrialPeriod
from paceline.deploy.autoscale import decide
from paceline.deploy.canary import Verdict
from paceline.deploy.coldstart import over_budget, times, total_s
from paceline.deploy.crashes import Crashes, after_admission, after_crash, given_up
from paceline.deploy.policies.paceline import cold_start_budget_s
from paceline.deploy.pulses import PulseMeter
from paceline.deploy.reconcile import Act, Action, reconcile
from paceline.deploy.rollout import Target, carries_all, failed_versions, is_backed, target
from paceline.deploy.table import endpoint_route
from paceline.errors import PacelineError, SetupError
from paceline.records.audit import AuditKind
from paceline.records.deployment import (
    Endpoint,
    EndpointStatus,
    FailedVersion,
    LogKind,
    Phase,
    ReplicaRecord,
    ReplicaState,
)
from paceline.records.gateway import EndpointPulse, EndpointRoute, Pulse
from paceline.records.launch import Cause
from paceline.records.scaling import Fleet as Scaled
from paceline.records.scaling import Memory

FAILURES_KEPT: Final = 20
DEPLOYED: Final = "deployed"
"""Why there is a replica before anybody asked."""


class Fleet:
    """The replicas of one endpoint."""

    def __init__(self, endpoint: Endpoint, status: EndpointStatus | None, desk: Desk) -> None:
        self.endpoint = endpoint
        self._desk = desk
        self._replicas: dict[str, Replica] = {}
        self._crashes: dict[int, Crashes] = {}
        self._facts: dict[int, VersionFacts] = {}
        self._meter = PulseMeter(desk.clock.monotonic_s())
        self._memory = Memory()
        self._stable = None if status is None else status.stable
        self._failed = () if status is None else status.failed
        known = status is not None and status.revision == endpoint.revision
        # A deployment is tried at once, not by the first user; what ran before a restart runs on.
        self._wanted = status.replicas if known and status is not None else 1
        self._because = DEPLOYED if not known else "as before the restart"
        self._removed = False
        self._trial: TrialPeriod | None = None
        self._waits_because: str | None = None
        self._announcer = Announcer(desk.clock)
        self._handover = Handover()
        self._arrived: int | None = None
        self._saved: EndpointStatus | None = None
        self.latest: ReplicaRecord | None = None
        """The replica whose cold start ended last, well or not."""

    @property
    def gone(self) -> bool:
        """Removed, and nothing of it is left."""
        return self._removed and not self._replicas

    @property
    def replicas(self) -> tuple[Replica, ...]:
        return tuple(self._replicas.values())

    def holds(self, replica_id: str) -> bool:
        """Whether a replica is one of its own."""
        return replica_id in self._replicas

    def update(self, endpoint: Endpoint) -> None:
        """The user deployed again."""
        self._removed = False
        if endpoint.revision == self.endpoint.revision:
            return
        self.endpoint = endpoint
        self._crashes.clear()
        self._trial = None
        self._memory = Memory()  # else a long idle time would end it before it was tried
        if not self._wanted:
            self._wanted, self._because = 1, DEPLOYED
        version = endpoint.version
        self._log(LogKind.ROLLOUT, f"version {version} is wanted", version=version)

    def remove(self) -> None:
        """The user does not want it any more."""
        if not self._removed:
            self._log(LogKind.DEPLOY, "removed")
        self._removed = True

    def end_all(self, because: str) -> None:
        """Stop every replica without waiting for what is in flight: the gateway has ended."""
        self._removed = True
        for one in self.replicas:
            if one.state in (ReplicaState.QUEUED, ReplicaState.STARTING):
                one.call_off(because)
            elif one.state is ReplicaState.SERVING:
                one.retire(self._now_s(), because)
            if one.state is ReplicaState.DRAINING:
                one.drained(because)
        self._forget_ended()

    def woken(self) -> None:
        """A request waits and there is no replica: nobody waits for the clock."""
        self._meter.woken(self._now_s())
        self._scale()
        self.work()

    def pulsed(self, seen: EndpointPulse | None, pulse: Pulse) -> None:
        """The gateway's view."""
        if seen is not None:
            self._meter.take(seen, self._now_s())
            if self._trial is not None:
                self._trial.saw(seen)
        for one in pulse.replicas:
            replica = self._replicas.get(one.replica_id)
            if replica is not None:
                replica.pulse(one)
        self._handover.in_force(self.replicas, pulse.revision)
        self._tell_arrival()
        self._save_status()

    def gateway_lost(self) -> None:
        """It died, and every connection with it."""
        self._meter.lost(self._now_s())
        self._handover.lost(self.replicas)

    def told(self, message: Told) -> None:
        """A keeper has something to say."""
        one = self._replicas[message.replica_id]
        unready = one.state is ReplicaState.STARTING
        match message:
            case Entered() if unready or one.state is ReplicaState.STOPPING:
                one.enter(message.phase, self._now_s())
            case Ready() if unready:
                self._admit(one, message)
            case Broke() if unready or one.state in (ReplicaState.SERVING, ReplicaState.DRAINING):
                self._broken(one, message.cause, message.detail)
            case Probed() if self._trial is not None:
                self._trial.probed(message.failed)
            case Released():
                self._released(one)
            case _:
                return  # said on its way out: nothing follows from it any more
        self.work()

    def tick(self) -> None:
        """Once a second."""
        self._check_starts()
        self._handover.overdue(self.replicas, self._now_s(), self.endpoint.drain_timeout_s)
        self._judge()
        self._scale()
        self.work()

    def work(self) -> None:
        """Whatever is to be done now."""
        self._launch_queued()
        if not any(one.state is ReplicaState.QUEUED for one in self.replicas):
            self._waits_because = None
        wanted = self._target()
        held = [one for one in self.replicas if not one.holds_nothing]
        for action in reconcile(wanted, [one.seen(self._now_s()) for one in held]):
            self._act(action)
        self._launch_queued()
        states = [(one.version, one.state) for one in self.replicas]
        if wanted.version != self._stable and carries_all(wanted, states):
            self._stable = self._arrived = wanted.version
        self._forget_ended()
        self._save_status()

    def route(self) -> EndpointRoute | None:
        """Its part of the gateway's table; `None` once it is gone."""
        if self._removed and not self._replicas:
            return None
        version = self.endpoint.version if self._stable is None else self._stable
        share = None if self.endpoint.canary is None else self.endpoint.canary.share
        canary = self._target().canary
        routes = [one.route(share if one.version == canary else None) for one in self.replicas]
        facts = self._known(version)
        # What is removed has given its aliases up: another endpoint may have them already.
        endpoint = replace(self.endpoint, aliases=()) if self._removed else self.endpoint
        return endpoint_route(
            endpoint,
            version=version,
            routes=() if facts is None else facts.routes,
            replicas=[route for route in routes if route is not None],
            starting=self._announcer.announcement(self.replicas),
            failed=self._failure(),
            usd_per_mtok=0.0 if facts is None else facts.usd_per_mtok,
            usd_per_image=0.0 if facts is None else facts.usd_per_image,
            usd_per_mtok_embedded=0.0 if facts is None else facts.usd_per_mtok_embedded,
            first_byte_timeout_s=None if facts is None else facts.first_byte_timeout_s,
        )

    def prices(self) -> dict[int, UnitPrices]:
        """By version: what its answers cost when it was measured."""
        known = {one.version: one.facts for one in self.replicas} | self._facts
        return {version: facts.prices for version, facts in known.items()}

    def table_sent(self, revision: int) -> None:
        """This is the latest table; the gateway has it when a pulse names it."""
        self._handover.sent(self.replicas, revision)

    def _target(self) -> Target:
        if self._removed:
            return Target(version=None, replicas=0)
        return target(self.endpoint, self._stable, self._failed, self._wanted)

    def _act(self, action: Action) -> None:
        if action.act is Act.START:
            self._queue(action.version)
            return
        one = self._replicas[action.replica_id or ""]
        match action.act:
            case Act.CALL_OFF:
                one.call_off(action.because)
            case Act.RETIRE:
                one.retire(self._now_s(), action.because)
            case Act.RECALL:
                one.recall(action.because)
        text = f"{one.id} {action.act.value}: {action.because}"
        self._log(LogKind.REPLICA, text, version=one.version)

    def _queue(self, version: int) -> None:
        facts = self._known(version)
        if facts is None:
            return
        replica_id = f"{self.endpoint.name}-{version}-{secrets.token_hex(3)}"
        record = ReplicaRecord(
            replica_id=replica_id,
            endpoint=self.endpoint.name,
            pipeline=self.endpoint.pipeline,
            version=version,
            accelerator=facts.accelerator,
            state=ReplicaState.QUEUED,
            created_at_utc=self._desk.journal.now_utc(),
            device_count=facts.version.variant.count,
            usd_per_hour=facts.usd_per_hour,
        )
        self._replicas[replica_id] = Replica(record, facts, self._desk.journal)

    def _launch_queued(self) -> None:
        for one in self.replicas:
            if one.state is not ReplicaState.QUEUED or not self._may_start(one):
                continue
            try:
                placed = self._desk.place(one.id, one.facts)
                name = self.endpoint.name
                keeper = self._desk.keeper(one.id, name, one.facts, placed.devices)
            except PacelineError as error:
                one.call_off(error.what)
                self._fail(one.version, "reading", f"{error.what}: {error.why}")
            else:
                one.record = replace(one.record, devices=placed.devices)
                one.launch(keeper, self._now_s(), placed.because)

    def _may_start(self, one: Replica) -> bool:
        """Whether the pause after a crash is over and its device is free; says once why not."""
        waits = None
        crashes = self._crashes.get(one.version, Crashes())
        if crashes.not_before_s > self._now_s():
            waits = f"version {one.version} broke in {crashes.because}; a pause before the next try"
        elif (ends := one.waits_for(self.replicas)) is not None:
            waits = ends
        elif not self.endpoint.share_device:
            waits = self._desk.device_busy(one.facts.accelerator)
        if waits is not None and waits != self._waits_because:
            self._log(LogKind.REPLICA, f"{one.id} waits: {waits}", version=one.version)
        self._waits_because = waits
        return waits is None

    def _admit(self, one: Replica, ready: Ready) -> None:
        now_s = self._now_s()
        one.admit(ready, now_s, self._desk.clock.utc_now().timestamp())
        self.latest = one.record
        took_s = 0.0 if one.record.cold_start is None else total_s(one.record.cold_start)
        self._log(LogKind.REPLICA, f"{one.id} serves after {took_s:.1f} s", version=one.version)
        self._crashes[one.version] = after_admission(self._crashes.get(one.version, Crashes()))
        self._desk.started(self.endpoint.pipeline, one.version, took_s)
        self._facts.pop(one.version, None)  # its cold start is now known better
        if one.version == self._target().canary and self._trial is None:
            self._trial = self._desk.trial_period(one.version, now_s)
            share = 0.0 if self.endpoint.canary is None else self.endpoint.canary.share
            self._log(
                LogKind.CANARY, f"gets {share * 100:.3g} % of new requests", version=one.version
            )

    def _broken(
        self, one: Replica, cause: Cause | None, detail: str, late: Phase | None = None
    ) -> None:
        """`late` is the phase that ate the budget of its cold start."""
        now_s = self._now_s()
        phase = "serving" if one.admitted or one.start is None else (late or one.start.phase).value
        words = f"{phase}: {detail}"
        one.broke(detail)
        self._log(LogKind.REPLICA, f"{one.id} broke in {words}", version=one.version)
        before = self._crashes.get(one.version, Crashes())
        if one.admitted:  # also when the count began anew with a deployment since
            before = after_admission(before)
        crashes = after_crash(before, words, now_s=now_s, served_s=one.served_s(now_s))
        self._crashes[one.version] = crashes
        backed = is_backed(one.version, self.endpoint, self._stable, self._failed)
        needed = bool(self._serving(one.version)) and not backed
        because = given_up(crashes, cause, late=late is not None, needed=needed)
        if because is not None:
            self._fail(one.version, phase, f"{because}: {detail}")

    def _fail(self, version: int, phase: str, because: str) -> None:
        """Give a version up for this deployment."""
        if version in failed_versions(self.endpoint, self._failed):
            return
        failed = FailedVersion(
            version=version,
            revision=self.endpoint.revision,
            phase=phase,
            because=because,
            at_utc=self._desk.journal.now_utc(),
        )
        self._failed = (*self._failed, failed)[-FAILURES_KEPT:]
        self._trial = None
        self._log(LogKind.FAILED, f"version {version} in {phase}: {because}", version=version)

    def _released(self, one: Replica) -> None:
        if one.state is not ReplicaState.STOPPING:  # it ended by itself without a word
            self._broken(one, None, "it ended")
        one.released()

    def _check_starts(self) -> None:
        for one in self.replicas:
            if one.state is ReplicaState.STARTING and one.start is not None:
                budget_s = cold_start_budget_s(self.endpoint.policy, one.facts.replica)
                eaten = over_budget(one.start, self._now_s(), budget_s)
                if eaten is not None:
                    phase, because = eaten
                    cold_start = times(one.start, self._now_s())
                    one.record = self.latest = replace(one.record, cold_start=cold_start)
                    self._broken(one, None, because, late=phase)

    def _judge(self) -> None:
        plan, trial = self.endpoint.canary, self._trial
        serving = self._serving(self.endpoint.version)
        if plan is None or trial is None or not serving:
            return
        facts = serving[0].facts
        if trial.probe_due(self._now_s()) and serving[0].keeper is not None:
            serving[0].keeper.probe()
        found = trial.judge(plan, facts.limits, self._now_s(), self.endpoint.name)
        if found.verdict is Verdict.ROLL_BACK:
            self._log(
                LogKind.CANARY,
                f"rolled back: {found.because}",
                version=trial.version,
                audited=AuditKind.CANARY_ROLLED_BACK,
            )
            self._fail(trial.version, "canary", found.because)
        elif found.verdict is Verdict.PROMOTE:
            promoted = replace(self.endpoint, canary=None)
            self._desk.journal.replace_endpoint(promoted)
            self._log(
                LogKind.CANARY,
                f"promoted: {found.because}",
                version=trial.version,
                audited=AuditKind.CANARY_PROMOTED,
            )
            self._trial = None

    def _serving(self, version: int) -> list[Replica]:
        mine = (one for one in self.replicas if one.version == version)
        return [one for one in mine if one.state is ReplicaState.SERVING]

    def _scale(self) -> None:
        wanted = self._target()
        facts = None if wanted.version is None else self._known(wanted.version)
        if facts is None:
            return
        live = [one for one in self.replicas if one.seen(0.0).live]
        ready = [one for one in live if one.state is ReplicaState.SERVING]
        now_s = self._now_s()
        scaled = Scaled(
            replica=facts.replica,
            wanted=self._wanted,
            ready=len(ready),
            starting=len(live) - len(ready),
            stopping=sum(not one.holds_nothing for one in self.replicas) - len(live),
            idle_s=tuple(one.idle_s for one in ready),
            memory=self._memory,
        )
        decision = decide(self._meter.window(now_s), scaled, self.endpoint.policy, now_s)
        self._memory = decision.memory
        if not decision.replicas and live and not ready and self._stable != wanted.version:
            return  # a deployment is tried before it may idle
        if decision.replicas != self._wanted:
            counts = (self._wanted, decision.replicas)
            self._log(LogKind.SCALE, decision.because, replicas=counts)
            self._wanted, self._because = decision.replicas, decision.because

    def _known(self, version: int) -> VersionFacts | None:
        """What a version's run measured; a version that cannot be read fails."""
        if version not in self._facts:
            try:
                facts = self._desk.facts(self.endpoint.pipeline, version)
            except SetupError as error:  # the store may be back in a moment
                self._waits_because = f"{error.what}: {error.why}"
                return None
            except PacelineError as error:
                self._fail(version, "reading", f"{error.what}: {error.why}")
                return None
            if facts is None:  # asked for: the thread that talks to the store brings it
                return None
            self._facts[version] = facts
        return self._facts[version]

    def _failure(self) -> str | None:
        """Why there can be no replica."""
        if self._removed:
            return "the endpoint was removed"
        if self._target().version is not None:
            return None
        return why_failed(self.endpoint, self._failed)

    def _forget_ended(self) -> None:
        for one in self.replicas:
            if one.state is ReplicaState.ENDED:
                self._desk.freed(one.id)
                del self._replicas[one.id]

    @property
    def status(self) -> EndpointStatus:
        """How it is now; without the scaler's latest reason, which counts seconds."""
        live = [one for one in self.replicas if one.seen(0.0).live]
        ready = sum(self._handover.serves(one) for one in live)
        announced = self._announcer.announcement(self.replicas)
        return EndpointStatus(
            name=self.endpoint.name,
            revision=self.endpoint.revision,
            state=state_of(self._target(), live, self._handover, self.replicas),
            because=self._failure()
            or self._waits_because
            or why_failed(self.endpoint, self._failed),
            updated_at_utc="",
            stable=self._stable,
            replicas=0 if self._removed else self._wanted,
            ready=ready,
            starting=len(live) - ready,
            progress=None if announced is None else announced[0],
            failed=self._failed,
        )

    def _tell_arrival(self) -> None:
        """Said when it is true: the gateway gives no new request to any other version."""
        fed = {one.version for one in self.replicas if self._handover.may_get_more(one)}
        if fed == {self._arrived} and any(self._handover.serves(one) for one in self.replicas):
            self._log(LogKind.ROLLOUT, f"version {self._arrived} carries all traffic")
            self._arrived = None

    def _save_status(self) -> None:
        status = self.status
        # The scaler's reasons alone are not worth a write.
        if status != self._saved and not self._removed:
            self._saved = status
            because = status.because or self._because
            now_utc = self._desk.journal.now_utc()
            self._desk.journal.save_status(replace(status, because=because, updated_at_utc=now_utc))

    def _log(
        self,
        kind: LogKind,
        because: str,
        *,
        version: int | None = None,
        replicas: tuple[int, int] | None = None,
        audited: AuditKind | None = None,
    ) -> None:
        self._desk.journal.log(
            self.endpoint.name, kind, because, version=version, replicas=replicas, audited=audited
        )

    def _now_s(self) -> float:
        return self._desk.clock.monotonic_s()
