"""How a trial asks its suites, against stand-ins for the engine, its process and the load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from paceline.adapters.engines.fake import Fake
from paceline.clock import ManualClock
from paceline.ports.archive import Archive
from paceline.ports.executor import Executor
from paceline.ports.host import Host
from paceline.ports.quality import Grader, OnProgress, StopRule
from paceline.records.launch import Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Target
from paceline.records.measurement import Verdict
from paceline.records.metric_names import QUALITY_MINE
from paceline.records.quality import (
    Item,
    ItemScore,
    Message,
    QualityResult,
    Scorer,
    StopCause,
    Stopped,
    Suite,
)
from paceline.records.trial import BlobRef, TrialRecord, TrialState
from paceline.testing.builders import a_cpu, a_model, a_variant, a_workload
from paceline.testing.simulated_load import SimulatedLoad
from paceline.trial.arrivals import plan_load
from paceline.trial.garbage import garbage_rule
from paceline.trial.machine import TrialEvent
from paceline.trial.order import TrialOrder
from paceline.trial.run import Rig, TrialRun
from paceline.trial.scoring import SuiteGrader, summarize
from paceline.trial.sequential import PairedRule
from paceline.trial.workload import load_shape
from paceline.units import Seconds


@dataclass
class Examinee:
    """Answers a suite item by item, a tenth of a second each; `right` decides which are right."""

    right: Callable[[int], bool]
    clock: ManualClock
    name: str = "examinee"
    asked: list[tuple[str, int]] = field(default_factory=list)

    def evaluate(
        self,
        target: Target,
        suite: Suite,
        *,
        grader: Grader,
        seed: int,
        concurrency: int,
        stop: StopRule | None = None,
        on_progress: OnProgress | None = None,
    ) -> QualityResult:
        del target, grader, concurrency, on_progress
        scores: list[ItemScore] = []
        stopped: Stopped | None = None
        for number, item in enumerate(suite.asking_order(seed)):
            self.clock.sleep(Seconds(0.1))
            scores.append(answered(item, float(self.right(number))))
            stopped = stop(scores) if stop else None
            if stopped:
                break
        self.asked.append((suite.name, len(scores)))
        return summarize(suite, scores, stopped=stopped)


class Running:
    """A server that is ready at once and never dies; also the executor that started it."""

    base_url = "http://127.0.0.1:1"
    spec: LaunchSpec

    @contextmanager
    def start(self, build: Callable[[int], LaunchSpec], *, log_path: Path) -> Iterator["Running"]:
        del log_path
        self.spec = build(1)
        yield self

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        del stop
        return None

    def poll(self) -> ProcessEnd | None:
        return None

    def ready_after_s(self) -> float:
        return 1.0

    def peak_memory_gib(self) -> float:
        return 0.5


class Notebook:
    """Keeps nothing: an archive, a journal and a host for one trial."""

    def keep(self, data: bytes, *, suffix: str) -> BlobRef:
        return BlobRef(path=f"x{suffix}", sha256="", size_bytes=len(data))

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None:
        del trial_id, was, event, cause

    def watch(self) -> nullcontext["Notebook"]:
        return nullcontext(self)

    def foreign_cpu_share(self) -> float:
        return 0.0


def questions(name: str, count: int) -> Suite:
    items = tuple(
        Item(
            item_id=f"q{number}",
            category="c",
            messages=(Message(role="user", content="?"),),
            scorer=Scorer.EXACT,
            answer="x",
            max_tokens=1,
        )
        for number in range(count)
    )
    return Suite(name=name, version="1", sha256=name * 8, items=items)


def answered(item: Item, score: float) -> ItemScore:
    return ItemScore(item_id=item.item_id, category="c", score=score, answer="an answer")


SUITE, OWN = questions("suite", 300), questions("mine", 7)


def examined(right: Callable[[int], bool]) -> tuple[TrialRecord, Examinee]:
    """A trial whose baseline answered everything rightly."""
    clock, notebook = ManualClock(), Notebook()
    examinee = Examinee(right, clock)
    baseline = summarize(SUITE, [answered(item, 1.0) for item in SUITE.items])
    order = TrialOrder(
        trial_id="t",
        variant=a_variant(),
        repeat=0,
        model=a_model(),
        accelerator=a_cpu(),
        plan=plan_load(load_shape(replace(a_workload(concurrency=2), max_requests=40), seed=0)),
        suite=SUITE,
        own_suite=OWN,
        garbage_rule=garbage_rule(SUITE, baseline),
        paired_rule=PairedRule(SUITE, baseline, margin=0.05),
        quality_concurrency=1,
        constraints=(),
        price_usd_per_hour=None,
        seed=0,
        cache=Path("/nowhere"),
        log_path=Path("/nowhere"),
    )
    rig = Rig(
        engine=Fake(),
        environment=Environment(name="f", python="/p", bin_dir="/b", lock=(), lock_sha256=""),
        executor=cast("Executor", Running()),
        load=SimulatedLoad(),
        evaluator=examinee,
        grader=SuiteGrader(),
        host=cast("Host", notebook),
        archive=cast("Archive", notebook),
        clock=clock,
    )
    run = TrialRun(order, rig, notebook, say=lambda _line: None, cancelled=lambda: False)
    return run.run(), examinee


def test_the_suite_ends_when_the_verdict_is_clear_and_the_own_set_is_asked_whole() -> None:
    trial, examinee = examined(lambda _number: True)
    assert trial.cause is Cause.FINISHED
    assert trial.quality is not None
    assert trial.quality.stopped is not None
    assert trial.quality.stopped.cause is StopCause.CLEAR
    assert trial.quality.paired is not None
    assert trial.quality.paired.verdict is Verdict.PASS
    (_, asked), own = examinee.asked
    assert asked == trial.quality.paired.items <= 0.5 * len(SUITE.items)
    assert own == ("mine", 7)
    assert trial.metrics[QUALITY_MINE].value == 1.0
    assert trial.quality_s is not None
    assert abs(trial.quality_s - 0.1 * (asked + 7)) < 1e-6


def test_a_clear_failure_is_found_sooner_still() -> None:
    trial, examinee = examined(lambda number: number % 3 > 0)
    assert examinee.asked[0][1] <= 0.25 * len(SUITE.items)
    assert trial.quality is not None
    assert trial.quality.paired is not None
    assert trial.quality.paired.verdict is Verdict.FAIL


def test_garbage_is_asked_nothing_more_and_not_loaded() -> None:
    trial, examinee = examined(lambda _number: False)
    assert trial.cause is Cause.GARBAGE
    assert [name for name, _ in examinee.asked] == ["suite"]
    assert trial.own_quality is None
    assert trial.samples is None
