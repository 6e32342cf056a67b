"""The loop of `paceline serve`: one thread that decides, fed by a selector.

Threads rather than asyncio: every port that a replica needs blocks, and the executor's context
must be left by whoever entered it; so each replica has a keeper thread, and keepers, the gateway's
socket and signals only ever wake this one thread. Nothing is shared but the inbox, so there is
nothing to lock.

Replicas do not outlive this process: killed at any point, the pipes to their shims close and they
end. The next `paceline serve` sweeps what could be left, records it as ended, and starts anew.
"""

import os
import queue
import selectors
import signal
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

from paceline.app.serving.access import Gatekeeper
from paceline.app.serving.bookkeeper import Bookkeeper
from paceline.app.serving.desk import Desk
from paceline.app.serving.fleet import Fleet
from paceline.app.serving.gateway_process import GatewayOptions, GatewayProcess
from paceline.app.serving.journal import Journal, say
from paceline.app.serving.keeper import Told
from paceline.app.serving.lock import beat, last_seen_s
from paceline.app.serving.overview import Noticeboard, Overview, ReplicaUse
from paceline.app.serving.scribe import Scribe
from paceline.app.traces import open_traces
from paceline.app.wiring import Workshop
from paceline.deploy.machine import WAY_OUT, after
from paceline.deploy.table import make_table
from paceline.records.deployment import LogKind, ReplicaRecord, ReplicaState, ReplicaStep
from paceline.records.gateway import Pulse, Table, Wake

TICK_S: Final = 1.0
END_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where clients connect, by TLS with a certificate, and the collector of traces, if any."""

    host: str = "127.0.0.1"
    port: int = 8080
    keys_required: bool = False
    traces_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    busy_poll: bool = False

    @property
    def gateway(self) -> GatewayOptions:
        """What of it concerns the gateway."""
        return GatewayOptions(
            host=self.host,
            port=self.port,
            tls_cert=self.tls_cert,
            tls_key=self.tls_key,
            busy_poll=self.busy_poll,
        )


class Supervisor(AbstractContextManager["Supervisor"]):
    """Everything that `paceline serve` keeps."""

    def __init__(self, shop: Workshop, options: ServeOptions, board: Noticeboard) -> None:
        self._shop = shop
        self._options = options
        self._board = board
        self._scribe = Scribe(write=self._flush, read=self._read, tell=self._have_read)
        self._journal = Journal(shop.store.deployments, shop.clock, hurry=self._scribe.hurry)
        self._gateway = GatewayProcess(shop, options.gateway)
        self._inbox: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._desk = Desk(shop, self._journal, spool=self._gateway.state, tell=self._tell)
        self._fleets: dict[str, Fleet] = {}
        self._gatekeeper = Gatekeeper(shop, keys_required=options.keys_required)
        self._fresh = threading.Event()
        traces = None if options.traces_url is None else open_traces(options.traces_url)
        self._bookkeeper = Bookkeeper(shop, self._gateway.state, traces)
        self._sent: Table | None = None
        self._revision = 0
        self._deaths_seen = 0
        self._usage_waits = False
        self._ends = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the gateway, then every replica; what does not end in time is killed by its shim."""
        self._gateway.stop()
        self._bookkeeper.stop()
        for fleet in self._fleets.values():
            fleet.end_all("`paceline serve` ends")
        deadline_s = self._shop.clock.monotonic_s() + END_WITHIN_S
        while any(fleet.replicas for fleet in self._fleets.values()):
            if self._shop.clock.monotonic_s() > deadline_s:
                say("some replicas did not end in time; they are killed")
                break
            self._hear(self._inbox_within(0.5))
        if not self._scribe.stop():
            say("the store took not everything in time: the end of the log is missing")

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises SetupError when the gateway cannot listen."""
        self._clear_up()
        self._gateway.start()
        self._bookkeeper.start()
        self._scribe.start()
        self._follow_wanted()
        self._publish()  # before anybody is told the address: without a table it refuses all
        place = f"{self._options.gateway.scheme}://{self._options.host}:{self._gateway.port}"
        say(f"serving on {place}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        next_tick_s = float(self._shop.clock.monotonic_s())
        while not self._ends:
            self._wait(next_tick_s - self._shop.clock.monotonic_s())
            self._hear(self._inbox_now())
            self._hear_gateway()
            now_s = self._shop.clock.monotonic_s()
            if self._fresh.is_set():
                self._fresh.clear()
                self._follow_wanted()
            if now_s >= next_tick_s:
                self._tick()
                next_tick_s = max(next_tick_s + TICK_S, now_s)
            self._publish()
        say("ending: requests under way may finish")

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        if self._ends:
            raise KeyboardInterrupt  # asked twice: do not wait for anything any more
        self._ends = True
        self._nudge()

    def _clear_up(self) -> None:
        """What an earlier one left: its processes are ended, its replicas recorded as ended.

        They ended with it, however long ago that was.
        """
        seen_s = last_seen_s(self._shop.places.data)
        seen = self._shop.clock.utc_now() if seen_s is None else datetime.fromtimestamp(seen_s, UTC)
        seen_utc = seen.isoformat(timespec="milliseconds")
        swept = self._shop.executor.sweep()
        left = self._shop.store.deployments.replicas(live=True)
        if swept or left:
            counted = "1 replica" if len(left) == 1 else f"{len(left)} replicas"
            say(f"an earlier `paceline serve` was killed, and with it {counted}")
        for replica in left:
            began_utc = replica.launched_at_utc or replica.created_at_utc
            self._record_end(replica, max(seen_utc, began_utc))

    def _record_end(self, replica: ReplicaRecord, ended_at_utc: str) -> None:
        state = replica.state
        for event in WAY_OUT[state]:
            following = after(state, event)
            step = ReplicaStep(
                replica_id=replica.replica_id,
                before=state,
                event=event.value,
                after=following,
                because="the `paceline serve` that kept it was killed",
                at_utc=self._journal.now_utc(),
            )
            self._journal.move_replica(step, _in_state(replica, following, ended_at_utc))
            state = following

    def _wait(self, timeout_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            if self._gateway.control is not None:
                selector.register(self._gateway.control, selectors.EVENT_READ)
            selector.select(max(timeout_s, 0.0))
        try:
            os.read(self._woken, 65_536)
        except BlockingIOError:
            return

    def _tell(self, message: Told) -> None:
        """Called by keepers, each in its own thread."""
        self._inbox.put(message)
        self._nudge()

    def _nudge(self) -> None:
        try:
            os.write(self._wake, b"w")
        except BlockingIOError:  # the pipe is full of nudges already
            return

    def _inbox_now(self) -> list[Told]:
        found: list[Told] = []
        while not self._inbox.empty():
            found.append(self._inbox.get())
        return found

    def _inbox_within(self, timeout_s: float) -> list[Told]:
        try:
            return [self._inbox.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def _hear(self, messages: list[Told]) -> None:
        for message in messages:
            for fleet in self._fleets.values():
                if fleet.holds(message.replica_id):
                    fleet.told(message)

    def _hear_gateway(self) -> None:
        for said in self._gateway.receive():
            if isinstance(said, Wake):
                if said.endpoint in self._fleets:
                    self._fleets[said.endpoint].woken()
            else:
                self._hear_pulse(said)
        if self._gateway.deaths != self._deaths_seen:  # noticed here or while a table was sent
            self._deaths_seen = self._gateway.deaths
            say("the gateway died; it is started again")
            self._bookkeeper.gateway_died(self._shop.clock.utc_now().timestamp())
            for name, fleet in self._fleets.items():
                fleet.gateway_lost()
                self._journal.log(name, LogKind.GATEWAY, "the gateway died")
        if not self._ends:
            self._gateway.revive()

    def _hear_pulse(self, pulse: Pulse) -> None:
        if bool(pulse.usage_waiting_bytes) is not self._usage_waits:
            self._usage_waits = bool(pulse.usage_waiting_bytes)
            say(
                "the disk takes no usage: it waits in the gateway's memory"
                if self._usage_waits
                else "the disk takes usage again"
            )
        seen = {endpoint.name: endpoint for endpoint in pulse.endpoints}
        for name, fleet in self._fleets.items():
            fleet.pulsed(seen.get(name), pulse)

    def _flush(self) -> None:
        self._journal.flush()

    def _read(self) -> None:
        """In the scribe's thread."""
        self._journal.read()
        self._gatekeeper.read()
        if not self._journal.away:
            self._desk.learn(
                (endpoint.pipeline, version)
                for endpoint in self._journal.wanted()
                for version in self._journal.versions(endpoint)
            )

    def _have_read(self) -> None:
        self._fresh.set()
        self._nudge()

    def _follow_wanted(self) -> None:
        wanted = {endpoint.name: endpoint for endpoint in self._journal.wanted()}
        for name, endpoint in wanted.items():
            if name in self._fleets:
                self._fleets[name].update(endpoint)
            else:
                status = self._journal.status(name)
                self._fleets[name] = Fleet(endpoint, status, self._desk)
        for name, fleet in self._fleets.items():
            if name not in wanted:
                fleet.remove()
            fleet.work()
        self._fleets = {name: fleet for name, fleet in self._fleets.items() if not fleet.gone}

    def _tick(self) -> None:
        if not self._scribe.alive:  # blind to what is wanted: an end that is seen is better
            raise RuntimeError("the thread that talks to the store has failed")
        for fleet in self._fleets.values():
            fleet.tick()
        beat(self._shop.places.data)
        self._pin()
        self._desk.release_devices(
            frozenset(
                one.facts.accelerator
                for fleet in self._fleets.values()
                for one in fleet.replicas
                if one.state is not ReplicaState.QUEUED
            )
        )
        self._bookkeeper.prices(
            {
                (name, version): prices
                for name, fleet in self._fleets.items()
                for version, prices in fleet.prices().items()
            }
        )

    def _pin(self) -> None:
        fleets = tuple(self._fleets.values())
        self._board.pin(
            Overview(
                statuses=tuple(fleet.status for fleet in fleets),
                replicas=tuple(
                    one.record
                    for fleet in fleets
                    for one in fleet.replicas
                    if one.state is not ReplicaState.QUEUED
                ),
                starts=tuple(fleet.latest for fleet in fleets if fleet.latest is not None),
                uses=tuple(
                    ReplicaUse(
                        replica_id=one.id,
                        endpoint=fleet.endpoint.name,
                        version=one.version,
                        use=one.keeper.use,
                    )
                    for fleet in fleets
                    for one in fleet.replicas
                    if one.keeper is not None and one.keeper.use is not None
                ),
                keys=self._gatekeeper.keys,
                store_away=self._journal.away,
            )
        )

    def _publish(self) -> None:
        """Send the table when it changed."""
        found = (fleet.route() for fleet in self._fleets.values())
        routes = tuple(route for route in found if route is not None)
        table = make_table(self._revision, routes, self._gatekeeper.guard())
        if table != self._sent:
            self._revision += 1
            self._sent = replace(table, revision=self._revision)
            self._gateway.send(self._sent)
        for fleet in self._fleets.values():
            fleet.table_sent(self._revision)


def _in_state(replica: ReplicaRecord, state: ReplicaState, at_utc: str) -> ReplicaRecord:
    return replace(
        replica, state=state, ended_at_utc=at_utc if state is ReplicaState.ENDED else None
    )
