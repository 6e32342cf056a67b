"""One trial without processes: its first rung, and the end of the budget."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.clock import ManualClock
from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.engine import Engine, Say
from paceline.ports.inspection import Inspector
from paceline.ports.load import OnProgress, Stop
from paceline.ports.telemetry import Telemetry
from paceline.records.hardware import Accelerator, AcceleratorKind, HostFingerprint
from paceline.records.image import ImageFacts, ImageLoad
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import LoadResult, Probe, Route, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.telemetry import DeviceProcess, Snapshot
from paceline.records.trial import BlobRef, Cut, TrialRecord, TrialState
from paceline.testing.builders import IMAGE_FACTS, a_cpu, a_model, a_variant, a_workload
from paceline.testing.simulated_load import SimulatedLoad
from paceline.trial.arrivals import plan_load
from paceline.trial.machine import TrialEvent
from paceline.trial.order import FirstRung, TrialOrder
from paceline.trial.run import Hold, Rig, TrialRun
from paceline.trial.scoring import SuiteGrader
from paceline.trial.workload import load_shape
from paceline.units import Seconds

WINDOW_S = 12.0
RUNG = 1 / 6
START_S = 5.0


class TimedLoad(SimulatedLoad):
    """Takes as long as the window, and hears every second whether to stop."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.targets: list[Target] = []

    def run(
        self,
        target: Target,
        plan: LoadPlan,
        *,
        probe: Probe | None = None,
        on_progress: OnProgress | None = None,
        stop: Stop | None = None,
    ) -> LoadResult:
        self.targets.append(target)
        end_s = self._clock.monotonic_s() + (plan.duration_s or 0.0)
        stopped = False
        while not stopped and self._clock.monotonic_s() < end_s:
            self._clock.sleep(1.0)
            stopped = stop is not None and stop()
        return super().run(target, plan, probe=probe, stop=lambda: stopped)


class Executed:
    """A server that is ready after `START_S`, unless the wait is given up before."""

    name = "executed"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.base_url = "http://127.0.0.1:9"
        self.spec: LaunchSpec

    @contextmanager
    def start(self, build: Callable[[int], LaunchSpec], *, log_path: Path) -> Iterator["Executed"]:
        del log_path
        self.spec = build(9)
        yield self

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        for waited_s in range(int(START_S)):
            if stop is not None and stop():
                return ProcessEnd(exit_code=None, ready=False, waited_s=waited_s, log_tail="")
            self._clock.sleep(1.0)
        return None

    def poll(self) -> ProcessEnd | None:
        return None

    def ready_after_s(self) -> float | None:
        return START_S

    def peak_memory_gib(self) -> float | None:
        return 1.0

    def inventory(self) -> tuple[()]:
        return ()

    def sweep(self) -> tuple[int, ...]:
        return ()


class Quiet:
    """A host that nobody else uses."""

    def fingerprint(self) -> HostFingerprint:
        raise AssertionError("no trial asks for it")

    @contextmanager
    def watch(self) -> Iterator["Quiet"]:
        yield self

    def foreign_cpu_share(self) -> float | None:
        return 0.0


class Shelf:
    """Keeps nothing but the number of what it was given."""

    def __init__(self) -> None:
        self.kept = 0

    def keep(self, data: bytes, *, suffix: str) -> BlobRef:
        self.kept += 1
        return BlobRef(path=f"{self.kept}{suffix}", sha256="0" * 64, size_bytes=len(data))

    def read(self, ref: BlobRef) -> bytes:
        raise AssertionError("no trial asks for it")


class NoJournal:
    def __init__(self) -> None:
        self.events: list[TrialEvent] = []

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None:
        self.events.append(event)


class Bench:
    """One trial and what was done in it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.load = TimedLoad(self.clock)
        self.shelf = Shelf()
        self.journal = NoJournal()
        self.seen: list[TrialRecord] = []

    def run(
        self,
        *,
        why_end: str | None = None,
        until_s: float | None = None,
        accelerator: Accelerator | None = None,
        telemetry: tuple[Telemetry, ...] = (),
        route: Route = Route.CHAT,
        pictures: ImageLoad | None = None,
        engine: Engine | None = None,
        inspector: Inspector | None = None,
        hold: Hold | None = None,
    ) -> TrialRecord:
        def remember(so_far: TrialRecord) -> str | None:
            self.seen.append(so_far)
            return why_end

        rung = FirstRung(plan=a_plan(WINDOW_S * RUNG, requests=40), share=RUNG, why_end=remember)
        order = TrialOrder(
            trial_id="t",
            variant=a_variant(),
            repeat=0,
            model=a_model(),
            accelerator=accelerator or a_cpu(),
            plan=a_plan(WINDOW_S, requests=240),
            suite=None,
            garbage_rule=None,
            quality_concurrency=1,
            constraints=(),
            price_usd_per_hour=1.0,
            seed=0,
            cache=Path("/nowhere"),
            log_path=Path("/nowhere/log"),
            rung=rung,
            until_s=until_s,
            route=route,
            pictures=pictures,
        )
        rig = Rig(
            engine=engine or Fake(),
            environment=Environment(name="", python="", bin_dir="", lock=(), lock_sha256=""),
            executor=Executed(self.clock),
            load=self.load,
            evaluator=None,  # type: ignore[arg-type]  # no suite is asked
            grader=SuiteGrader(),
            host=Quiet(),
            archive=self.shelf,
            clock=self.clock,
            telemetry=telemetry,
            inspector=inspector,
            hold=hold,
        )
        return TrialRun(order, rig, self.journal, say=lambda _: None, cancelled=lambda: False).run()


def a_plan(duration_s: float, *, requests: int) -> LoadPlan:
    workload = replace(a_workload(), duration_s=Seconds(duration_s), max_requests=requests)
    return plan_load(load_shape(workload, seed=0))


def test_a_trial_that_stays_in_the_race_is_measured_whole_in_the_same_launch() -> None:
    bench = Bench()
    trial = bench.run()
    assert [plan.duration_s for plan in bench.load.plans] == [WINDOW_S * RUNG, WINDOW_S]
    assert (trial.cause, trial.cut) == (Cause.FINISHED, None)
    assert trial.metrics["output_tokens_per_s"].n > bench.seen[0].metrics["output_tokens_per_s"].n
    assert trial.wall_s == START_S + WINDOW_S * (1 + RUNG)
    assert bench.journal.events.count(TrialEvent.READY) == 1


def test_a_trial_that_is_out_after_its_first_rung_keeps_what_it_measured_and_the_reason() -> None:
    bench = Bench()
    trial = bench.run(why_end="too slow")
    assert len(bench.load.plans) == 1
    assert (trial.cause, trial.cut) == (Cause.FINISHED, Cut(share=RUNG, because="too slow"))
    assert trial.metrics == bench.seen[0].metrics
    assert trial.wall_s == START_S + WINDOW_S * RUNG
    assert bench.shelf.kept == 1, "only what the record refers to is kept"


def test_the_budget_ends_the_window_with_what_there_is() -> None:
    bench = Bench()
    trial = bench.run(until_s=START_S + WINDOW_S * RUNG + 6.0)
    assert trial.cause is Cause.FINISHED
    assert trial.cut == Cut(share=0.5, because="the budget was spent")
    assert trial.wall_s == START_S + WINDOW_S * RUNG + 6.0


def test_the_budget_ends_a_start_that_takes_too_long() -> None:
    bench = Bench()
    trial = bench.run(until_s=3.0)
    assert (trial.cause, trial.wall_s) == (Cause.CANCELLED, 3.0)
    assert "budget" in trial.detail
    assert bench.load.plans == []


class Card:
    """Tells at each opening who computes on it then."""

    name = subject = "card"

    def __init__(self, *readings: tuple[DeviceProcess, ...]) -> None:
        self._readings = list(readings)

    def open(self, target: Target) -> "Card":
        del target
        return self

    def read(self) -> Snapshot:
        raise AssertionError("nothing guesses ahead")

    def device_processes(self) -> tuple[DeviceProcess, ...]:
        return self._readings.pop(0)

    def close(self) -> None:
        pass


OTHER = DeviceProcess(device="gpu0", pid=7, ours=False)
OWN = DeviceProcess(device="gpu0", pid=8, ours=True)


def test_who_else_computes_on_the_card_in_the_window_is_in_the_record() -> None:
    gpu = replace(a_cpu(), name="gpu", kind=AcceleratorKind.GPU)
    before, rung = (), ((OWN,), (OWN,))
    came = Bench().run(accelerator=gpu, telemetry=(Card(before, *rung, (OWN,), (OWN, OTHER)),))
    assert came.strangers == (OTHER,)
    left = Bench().run(accelerator=gpu, telemetry=(Card((OTHER,), *rung, (OWN,), (OWN,)),))
    assert left.strangers == ()


def test_no_card_is_asked_about_a_trial_on_a_processor() -> None:
    assert Bench().run(telemetry=(Card(),)).strangers is None


class Looking:
    """An inspector that finds the same every time, or nothing."""

    def __init__(self, facts: ImageFacts | None) -> None:
        self._facts = facts
        self.targets: list[Target] = []

    def inspect(self, target: Target) -> ImageFacts:
        self.targets.append(target)
        if self._facts is None:
            raise SetupError(Code.ENDPOINT_FAILED, "it does not tell", why="HTTP 404", fix="look")
        return self._facts


def test_an_image_trial_loads_its_route_and_looks_inside_after_the_load() -> None:
    bench, looking = Bench(), Looking(IMAGE_FACTS)
    trial = bench.run(route=Route.IMAGES, inspector=looking)
    assert trial.inspected == IMAGE_FACTS
    assert {target.route for target in (*bench.load.targets, *looking.targets)} == {Route.IMAGES}
    assert len(looking.targets) == 1
    assert "output_tokens_per_s" not in trial.metrics
    assert trial.metrics["cost_usd_per_image"].value > 0


class Warm(Fake):
    """Notes for what it is to be warm."""

    def warmed(self, launch: LaunchSpec, load: ImageLoad) -> LaunchSpec:
        return replace(launch, argv=(*launch.argv, f"{load.width_px}x{load.height_px}"))


def test_an_engine_is_launched_warm_for_the_pictures_of_the_load() -> None:
    load = ImageLoad(width_px=768, height_px=512)
    warm = Bench().run(
        route=Route.IMAGES, pictures=load, engine=Warm(), inspector=Looking(IMAGE_FACTS)
    )
    cold = Bench().run(engine=Warm())
    assert warm.provenance.argv == (*cold.provenance.argv, "768x512")


def test_a_runtime_that_does_not_tell_is_said_and_its_figures_stand() -> None:
    trial = Bench().run(route=Route.IMAGES, inspector=Looking(None))
    assert (trial.cause, trial.inspected) == (Cause.FINISHED, None)
    assert trial.detail == "it does not tell: HTTP 404"
    assert trial.metrics["e2e_p50_ms"].value > 0


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (Code.DAMAGED_CHECKPOINT, Cause.BAD_CHECKPOINT),
        (Code.UNSUPPORTED, Cause.PREPARE_FAILED),
    ],
)
def test_what_cannot_be_prepared_ends_before_anything_is_started(code: Code, cause: Cause) -> None:
    trial = Bench()

    def refuse(order: TrialOrder, say: Say) -> AbstractContextManager[Artefact]:
        raise CandidateError(code, "the checkpoint is damaged", why="0.3 > 0.1", fix="")

    found = trial.run(hold=refuse)
    assert (found.cause, found.detail) == (cause, "the checkpoint is damaged: 0.3 > 0.1")
    assert found.provenance.artefact is None
    assert found.provenance.argv == ()
