"""One replica from its start to its end, in a thread of its own.

The ports it works with block (installing, making an artefact, waiting for an engine), and the
executor's context ends the process when it is left; so each replica gets a thread that stays in
that context for the replica's whole life. It decides nothing: it tells what happened, and ends
when it is told to.
"""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from paceline.app.checkpoints import give_artefact
from paceline.app.environment import own_environment
from paceline.app.images import prober, warmed
from paceline.app.registry import load_engine
from paceline.app.serving.facts import VersionFacts
from paceline.app.wiring import Workshop
from paceline.errors import PacelineError
from paceline.ports.devices import HasDevices
from paceline.ports.engine import Engine
from paceline.ports.executor import CountsUse, Server
from paceline.records.deployment import Phase
from paceline.records.hardware import Accelerator
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Route, Target
from paceline.records.telemetry import ProcessUse
from paceline.trial.arrivals import plan_load
from paceline.trial.scoring import SuiteGrader
from paceline.trial.workload import load_shape

WATCH_EVERY_S: Final = 0.2
HEALTH_EVERY_S: Final = 5.0
HEALTH_TIMEOUT_S: Final = 10.0
HEALTH_FAILURES: Final = 3
"""In a row. A busy engine answers late, a dead one not at all; the gateway's breaker is quicker."""
RIGHT_SHARE: Final = 0.5
"""Of the probe's items, all of which were answered rightly when the version was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A phase of the cold start began."""

    replica_id: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """It answered its warm-up and its probe."""

    replica_id: str
    host: str
    port: int
    model_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """It cannot serve; its end follows."""

    replica_id: str
    cause: Cause | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A quality probe asked for later; `failed` is what was wrong, `None` when it was right."""

    replica_id: str
    failed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Nothing of it is left; the last thing that is told."""

    replica_id: str


Told = Entered | Ready | Broke | Probed | Released


class Preparation:
    """The environment and artefact of one version, made once for all its replicas."""

    def __init__(self, facts: VersionFacts, shop: Workshop) -> None:
        self._facts = facts
        self._shop = shop
        self.engine: Engine = load_engine(facts.version.variant.engine)
        # Invariant: at most one thread installs or makes an artefact of this version.
        self._lock = threading.Lock()
        self._environment: Environment | None = None
        self._artefact: Artefact | None = None

    def environment(self) -> Environment:
        """Installed when it is not there."""
        with self._lock:
            if self._environment is None:
                spec = self.engine.environment()
                self._environment = (
                    own_environment()
                    if spec is None
                    else self._shop.environments.install(spec, say=_silent)
                )
            return self._environment

    def artefact(self) -> Artefact:
        """Made when it is not in the cache. Raises CandidateError."""
        environment = self.environment()
        with self._lock:
            if self._artefact is None:
                self._artefact = give_artefact(
                    self.engine,
                    self._facts.run.model,
                    self._facts.version.variant.format,
                    self._shop,
                    environment=environment,
                    say=_silent,
                )
            return self._artefact


class Keeper:
    """Runs one replica."""

    def __init__(
        self,
        replica_id: str,
        facts: VersionFacts,
        preparation: Preparation,
        shop: Workshop,
        *,
        accelerator: Accelerator,
        devices: tuple[str, ...],
        log_path: Path,
        tell: Callable[[Told], None],
    ) -> None:
        self._id = replica_id
        self._facts = facts
        self._preparation = preparation
        self._shop = shop
        self._accelerator = accelerator
        self._devices = devices
        self._log_path = log_path
        self._tell = tell
        self._stop = threading.Event()
        self._probe_wanted = threading.Event()
        self.use: ProcessUse | None = None
        """What its processes took at the last look; `None` before it serves."""
        self._thread = threading.Thread(target=self._run, name=replica_id, daemon=True)

    def start(self) -> None:
        """Begin; everything else is told."""
        self._thread.start()

    def stop(self) -> None:
        """End the process with the engine's grace; `Released` follows."""
        self._stop.set()

    def probe(self) -> None:
        """Ask the quality probe again; `Probed` follows."""
        self._probe_wanted.set()

    def _run(self) -> None:
        clean = False
        try:
            self._keep()
            clean = True
        except PacelineError as error:
            clean = True
            self._break(None, f"{error.what}: {error.why}")
        finally:
            if not clean:  # a bug of ours: the thread's traceback goes to stderr
                self._break(None, "its keeper failed")
            self._tell(Released(replica_id=self._id))

    def _keep(self) -> None:
        self._tell(Entered(replica_id=self._id, phase=Phase.ENVIRONMENT))
        environment = self._preparation.environment()
        if self._stop.is_set():
            return
        self._tell(Entered(replica_id=self._id, phase=Phase.WEIGHTS))
        artefact = self._preparation.artefact()
        if self._stop.is_set():
            return
        self._tell(Entered(replica_id=self._id, phase=Phase.ENGINE))

        def launch(port: int) -> LaunchSpec:
            spec = self._preparation.engine.launch(
                self._facts.version.variant,
                artefact,
                model=self._facts.run.model,
                environment=environment,
                accelerator=self._accelerator,
                port=port,
            )
            spec = warmed(self._preparation.engine, spec, self._facts.run.request.workload)
            executor = self._shop.executor
            if self._devices and isinstance(executor, HasDevices):
                return executor.confined(spec, self._devices)
            return spec

        with self._shop.executor.start(launch, log_path=self._log_path) as server:
            self._serve(server)

    def _serve(self, server: Server) -> None:
        end = server.wait_ready(self._stop.is_set)
        if self._stop.is_set():
            return
        if end is not None:
            self._ended(end)
            return
        self._tell(Entered(replica_id=self._id, phase=Phase.WARM_UP))
        self._warm_up(server)
        failed = self._probe(server)
        end = server.poll()
        if end is not None:
            self._ended(end)
        elif failed is not None:
            self._break(Cause.GARBAGE, failed)
        else:
            place = urlsplit(server.base_url)
            self._look(server)
            self._tell(
                Ready(
                    replica_id=self._id,
                    host=place.hostname or "",
                    port=server.spec.port,
                    model_name=server.spec.model_name,
                )
            )
            self._watch(server)

    def _warm_up(self, server: Server) -> None:
        """Raises SetupError when it does not answer as it promises."""
        request = self._facts.run.request
        plan = plan_load(load_shape(request.workload, seed=request.seed))
        self._shop.load.probe(self._target(server), plan)

    def _probe(self, server: Server) -> str | None:
        """What is wrong with its answers; `None` when they are as they were."""
        suite = self._facts.probe
        if suite is None:
            return None
        painter = prober(self._facts.run.request.workload, self._facts.painted, self._shop)
        evaluator, grader = painter or (self._shop.evaluator, SuiteGrader())
        found = evaluator.evaluate(
            self._target(server),
            suite,
            grader=grader,
            seed=self._facts.run.request.seed,
            concurrency=min(len(suite.items), self._facts.replica.concurrency),
        )
        right = sum(item.score for item in found.items)
        if right >= RIGHT_SHARE * len(suite.items):
            return None
        total = len(suite.items)
        return f"{right:g} of {total} answers are right; all {total} were when it was measured"

    def _watch(self, server: Server) -> None:
        failures, next_health_s = 0, HEALTH_EVERY_S
        began_s = self._shop.clock.monotonic_s()
        while not self._stop.wait(WATCH_EVERY_S):
            end = server.poll()
            if end is not None:
                self._ended(end)
                return
            if self._probe_wanted.is_set():
                self._probe_wanted.clear()
                self._tell(Probed(replica_id=self._id, failed=self._probe(server)))
            if self._shop.clock.monotonic_s() - began_s < next_health_s:
                continue
            self._look(server)
            failures = 0 if _healthy(server) else failures + 1
            next_health_s = self._shop.clock.monotonic_s() - began_s + HEALTH_EVERY_S
            if failures >= HEALTH_FAILURES:
                self._break(None, f"no answer to {failures} health checks in a row")
                return

    def _look(self, server: Server) -> None:
        if isinstance(server, CountsUse):
            self.use = server.use()

    def _target(self, server: Server) -> Target:
        return Target(
            base_url=server.base_url,
            model=server.spec.model_name,
            route=Route(self._facts.routes[0]),
        )

    def _ended(self, end: ProcessEnd) -> None:
        cause = self._preparation.engine.classify(end)
        how = "is still running" if end.exit_code is None else f"ended with {end.exit_code}"
        last = next((line for line in reversed(end.log_tail.splitlines()) if line.strip()), "")
        engine = self._facts.version.variant.engine
        detail = f"{engine} {how} after {end.waited_s:.1f} s ({cause.value}); {last.strip()[:200]}"
        self._break(cause, detail.rstrip("; "))

    def _break(self, cause: Cause | None, detail: str) -> None:
        self._tell(Broke(replica_id=self._id, cause=cause, detail=detail))


def _healthy(server: Server) -> bool:
    place = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(
        place.hostname or "", server.spec.port, timeout=HEALTH_TIMEOUT_S
    )
    try:
        connection.request("GET", server.spec.ready_path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _silent(_: str) -> None:
    """Progress in words; the phases are told instead."""
