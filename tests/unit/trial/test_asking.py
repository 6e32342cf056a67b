"""How a trial asks its suites, against stand-ins for the engine, its process and the load."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.clock import ManualClock
from paceline.ports.archive import Archive
from paceline.ports.executor import Executor
from paceline.ports.host import Host
from paceline.ports.quality import Grader, OnProgress, StopRule
from paceline.records.fidelity import FidelityReading, NextToken, Reading, Readings, TextReading
from paceline.records.launch import Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Target
from paceline.records.measurement import Verdict
from paceline.records.metric_names import (
    KL_NATS,
    QUALITY_LOADED,
    QUALITY_LONG,
    QUALITY_MINE,
    QUALITY_SHARE,
)
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityResult,
    StopCause,
    Stopped,
    Suite,
)
from paceline.records.trial import BlobRef, TrialRecord, TrialState
from paceline.testing.builders import a_cpu, a_model, a_suite, a_variant, a_workload, an_item
from paceline.testing.simulated_load import SimulatedLoad
from paceline.trial.arrivals import plan_load
from paceline.trial.asking import LOADED_ITEMS
from paceline.trial.closeness import ReadingOrder, Reference
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
    """Answers a suite item by item, `answer_s` each; `right` decides which are right."""

    right: Callable[[int], bool]
    clock: ManualClock
    answer_s: float = 0.1
    name: str = "examinee"
    asked: list[tuple[str, int]] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)

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
        del target, grader, on_progress
        self.in_flight.append(concurrency)
        scores: list[ItemScore] = []
        stopped: Stopped | None = None
        for number, item in enumerate(suite.asking_order(seed)):
            self.clock.sleep(Seconds(self.answer_s))
            scores.append(answered(item, float(self.right(number))))
            stopped = stop(scores) if stop else None
            if stopped:
                break
        self.asked.append((suite.name, len(scores)))
        return summarize(suite, scores, stopped=stopped)


class Running:
    """A server that gets ready and never dies; also the executor that started it."""

    base_url = "http://127.0.0.1:1"
    spec: LaunchSpec

    def __init__(self, clock: ManualClock, launch_s: float) -> None:
        self._clock = clock
        self._launch_s = launch_s

    @contextmanager
    def start(self, build: Callable[[int], LaunchSpec], *, log_path: Path) -> Iterator["Running"]:
        del log_path
        self.spec = build(1)
        yield self

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        del stop
        self._clock.sleep(Seconds(self._launch_s))
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
    items = (an_item(f"q{number}") for number in range(count))
    return a_suite(items, name=name, sha256=name * 8)


def answered(item: Item, score: float) -> ItemScore:
    return ItemScore(item_id=item.item_id, category="c", score=score, answer="an answer")


SUITE, OWN = questions("suite", 300), questions("mine", 7)


@dataclass
class Reader:
    """Every position of 300 gives `likely` to the token that stands there."""

    likely: float
    clock: ManualClock
    reading_s: float = 1.0
    prompts: Sequence[str] = ()

    def read(
        self,
        target: Target,
        *,
        prompts: Sequence[str],
        concurrency: int,
        reading: Reading | None = None,
    ) -> FidelityReading:
        del target, concurrency
        self.prompts = prompts
        self.clock.sleep(Seconds(self.reading_s))
        return distributions(self.likely, reading)


def distributions(likely: float, way: Reading | None = Reading.FORCED) -> FidelityReading:
    top = {"other": math.log(1 - likely)}
    token = NextToken(text="word", logprob=math.log(likely), top=top)
    return FidelityReading(
        reading=way, texts=(TextReading(text_id="text-0", tokens=(token,) * 300),)
    )


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds of a trial's steps."""

    launch_s: float = 0.0
    reading_s: float = 1.0
    answer_s: float = 0.1


USUAL_PACE = Pace()


def examined(
    right: Callable[[int], bool], *, likely: float = 0.9, pace: Pace = USUAL_PACE, **changed: Any
) -> tuple[TrialRecord, Examinee]:
    """A trial whose baseline answered everything rightly."""
    clock, notebook = ManualClock(), Notebook()
    examinee = Examinee(right, clock, pace.answer_s)
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
    order = replace(order, **changed)
    rig = Rig(
        engine=Fake(),
        environment=Environment(name="f", python="/p", bin_dir="/b", lock=(), lock_sha256=""),
        executor=cast("Executor", Running(clock, pace.launch_s)),
        load=SimulatedLoad(),
        evaluator=examinee,
        grader=SuiteGrader(),
        host=cast("Host", notebook),
        archive=cast("Archive", notebook),
        clock=clock,
        reader=Reader(likely, clock, pace.reading_s),
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


def a_reading(reference: Reference | None) -> ReadingOrder:
    return ReadingOrder(
        variant_id="v",
        engine="fake",
        way=Reading.FORCED,
        prompts=("a prompt",),
        bits=4.0,
        reference=reference,
    )


SOUND = Reference(
    variant_id="base", engine="fake", readings=Readings(first=distributions(0.9), again=None)
)


def test_distributions_are_read_before_the_questions_and_are_part_of_the_record() -> None:
    trial, _ = examined(lambda _number: True, reading=a_reading(SOUND), likely=0.85)
    assert trial.fidelity is not None
    assert trial.fidelity.against == "base"
    assert trial.metrics[KL_NATS].value == trial.fidelity.mean_kl_nats > 0
    assert trial.readings is not None
    assert trial.readings.path.endswith(".readings")
    assert trial.quality is not None
    assert trial.quality_s is not None
    assert abs(trial.quality_s - 1.0 - 0.1 * (len(trial.quality.items) + 7)) < 1e-6


def test_broken_distributions_end_a_trial_before_any_question_or_load() -> None:
    trial, examinee = examined(lambda _number: True, reading=a_reading(SOUND), likely=0.2)
    assert trial.cause is Cause.GARBAGE
    assert "4 bits per weight" in trial.detail
    assert examinee.asked == []
    assert trial.samples is None
    assert trial.readings is not None, "what it was found by is kept"


def test_weights_that_were_sound_before_are_read_when_they_are_asked() -> None:
    order = replace(a_reading(SOUND), before_speed=False)
    sound, _ = examined(lambda _number: True, reading=order, likely=0.85)
    assert sound.fidelity is not None
    assert sound.quality is not None
    broken, examinee = examined(lambda _number: True, reading=order, likely=0.2)
    assert broken.cause is Cause.GARBAGE
    assert (examinee.asked, broken.samples) == ([], None)


def test_a_trial_that_reads_nothing_says_why() -> None:
    trial, _ = examined(lambda _number: True, no_reading="fake gives no log probabilities")
    assert (trial.fidelity, trial.fidelity_because) == (None, "fake gives no log probabilities")


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_questions_keep_to_their_share_of_the_trial(share: float) -> None:
    """The load takes 12 s of the clock, the questions a tenth of a second each."""
    clock_s = 12.0
    trial, examinee = examined(
        lambda number: number % 30 > 0,  # too few losses for a verdict: it would ask everything
        quality_share=share,
        plan=replace(ALL_IN_TIME, requests=None, duration_s=Seconds(clock_s)),
        own_suite=None,
        paired_rule=None,
    )
    assert trial.quality is not None
    assert trial.quality.stopped is not None
    assert trial.quality.stopped.cause is StopCause.SHARE
    assert f"{share:.0%}" in trial.quality.stopped.because
    assert trial.quality_s is not None
    assert trial.quality_s <= max(share / (1 - share) * clock_s, 0.1 * 12)
    assert trial.quality_allowed_s == pytest.approx(share / (1 - share) * clock_s)
    assert 12 <= examinee.asked[0][1] < len(SUITE.items)


@pytest.mark.parametrize(("needed", "asked"), [(0, 36), (60, 60), (300, 108)])
def test_the_baseline_goes_on_while_a_verdict_needs_more_of_it(needed: int, asked: int) -> None:
    """A quarter of 16 s, half of 24 s; a tenth is kept back, an answer takes 0.1 s."""
    _, examinee = examined(
        lambda number: number % 30 > 0,
        quality_share=0.25,
        quality_stretch=0.5,
        quality_needed=needed,
        plan=replace(ALL_IN_TIME, requests=None, duration_s=Seconds(12.0)),
        own_suite=None,
        paired_rule=None,
    )
    assert examinee.asked[0][1] == pytest.approx(asked, abs=2)


# Seconds of launches, of one reading and per answer at 32 in flight, as three trials of the
# reference model on OpenVINO took them on two cores that had three times as much else to do.
RECORDED = {
    "baseline": Pace(launch_s=5.2, reading_s=0.85, answer_s=0.013),
    "int8": Pace(launch_s=11.6, reading_s=4.8, answer_s=0.031),
    "int4": Pace(launch_s=10.6, reading_s=5.2, answer_s=0.037),
    "before batches": Pace(launch_s=5.2, reading_s=0.85, answer_s=0.035),
}


@pytest.mark.parametrize("name", RECORDED)
def test_trials_as_they_were_timed_keep_to_a_quarter_of_their_time(name: str) -> None:
    pace, window_s = RECORDED[name], 12.0
    alone = name not in ("int8", "int4")
    trial, examinee = examined(
        lambda number: number % 40 > 0,
        pace=pace,
        likely=0.88,
        quality_share=0.25,
        reading=a_reading(None if alone else SOUND),
        plan=replace(ALL_IN_TIME, requests=None, duration_s=Seconds(window_s)),
        own_suite=None,
        paired_rule=None,
    )
    assert trial.quality_s is not None
    assert trial.quality_s / (trial.quality_s + pace.launch_s + window_s) <= 0.25
    assert examinee.asked[0][1] >= 12
    if name == "baseline":
        assert examinee.asked[0][1] > 0.8 * len(SUITE.items)


def test_each_part_gets_its_part_of_what_is_left() -> None:
    _, examinee = examined(
        lambda _number: True,
        quality_share=0.25,
        plan=replace(ALL_IN_TIME, requests=None, duration_s=Seconds(12.0)),
        own_suite=questions("mine", 200),
        long_suite=questions("long", 200),
        paired_rule=None,
    )
    asked = dict(examinee.asked)  # 3.6 s in all
    assert asked == {"suite": 12, "mine": 12, "long": 12}


def test_the_share_of_the_time_is_a_figure_of_the_trial() -> None:
    trial, _ = examined(lambda _number: True)
    assert trial.quality_s is not None
    assert trial.metrics[QUALITY_SHARE].value == trial.quality_s / trial.wall_s


def test_what_is_asked_besides_has_results_of_its_own() -> None:
    trial, examinee = examined(
        lambda number: number % 100 != 5, long_suite=questions("long", 9), loaded_concurrency=64
    )
    assert trial.metrics[QUALITY_LONG].n == 9
    assert trial.loaded_quality is not None
    assert trial.quality is not None
    assert trial.metrics[QUALITY_LOADED].n == len(trial.loaded_quality.items) <= LOADED_ITEMS
    first = {score.item_id for score in trial.quality.items}
    assert {score.item_id for score in trial.loaded_quality.items} <= first
    assert examinee.in_flight == [1, 1, 1, 64]


ALL_IN_TIME = plan_load(load_shape(replace(a_workload(concurrency=2), max_requests=40), seed=0))
