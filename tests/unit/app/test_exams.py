"""What is asked in a run, and when the asking stops."""

from dataclasses import replace

import pytest

from paceline.app.exams import (
    FIDELITY_PROMPTS,
    PROMPT_CHARS,
    Exams,
    find_exams,
    in_flight,
    is_unasked,
    items_needed,
    loaded_in_flight,
    loaded_items,
    margin_of,
    needle_of,
    program_of,
    prompts_of,
)
from paceline.errors import SpecError
from paceline.records.launch import Cause
from paceline.records.quality import Item, ItemScore, Message, QualityResult, Scorer, Split, Suite
from paceline.records.request import Beside, Comparison, Constraint, Priority, Request
from paceline.records.trial import Cut
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import (
    a_model,
    a_request,
    a_trial,
    a_variant,
    a_workload,
    an_item,
)


def item(number: int, split: Split = Split.MAIN) -> Item:
    return an_item(f"q{number}", split=split)


class Shelf:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def names(self) -> tuple[str, ...]:
        return ("standard",)

    def find(self, name: str) -> Suite:
        self.asked.append(name)
        items = (*map(item, range(20)), item(20, Split.REPORT))
        return Suite(name=name, version="1", sha256="0" * 64, items=items)


def answered(right: float) -> QualityResult:
    items = tuple(
        ItemScore(item_id=f"q{n}", category="c", score=float(n < right * 20), answer="")
        for n in range(20)
    )
    return QualityResult(
        suite="s", suite_sha256="0" * 64, items=items, score=right, by_category={}, ci95=None
    )


def at_least(limit: float, *, relative: bool = True) -> Constraint:
    return Constraint(
        metric="quality",
        statistic=None,
        comparison=Comparison.AT_LEAST,
        limit=limit,
        unit="",
        relative=relative,
    )


@pytest.mark.parametrize(
    ("asked", "of_the_model", "found"),
    [(None, None, "standard"), (None, "own.jsonl", "own.jsonl"), ("mix", "own.jsonl", "mix")],
)
def test_what_was_asked_for_goes_before_the_models_own_and_the_standard_suite(
    asked: str | None, of_the_model: str | None, found: str
) -> None:
    shelf = Shelf()
    model = replace(a_model(), suite_path=of_the_model)
    exams = find_exams(replace(a_request(), suite=asked, own_suite="mine.csv"), model, shelf)
    assert shelf.asked == [found, "mine.csv"]
    assert exams.suite is not None
    assert exams.own is not None
    assert {one.split for one in exams.suite.items} == {Split.MAIN}


def test_random_weights_are_asked_nothing() -> None:
    shelf = Shelf()
    assert find_exams(a_request(), replace(a_model(), trained=False), shelf).suite is None
    assert shelf.asked == []


def test_a_part_is_seeded_and_keeps_the_hash() -> None:
    request = replace(a_request(), quality_items=5)
    first, again = (find_exams(request, a_model(), Shelf()).suite for _ in range(2))
    assert first == again
    assert first is not None
    assert (len(first.items), first.sha256) == (5, "0" * 64)


@pytest.mark.parametrize(
    ("request_", "margin"),
    [
        (a_request(at_least(0.97), at_least(0.9)), 0.03 * 0.8),
        (a_request(at_least(0.9, relative=False)), 0.03),
        (a_request(), 0.03),
        (a_request(at_least(1.0)), None),
        (a_request(at_least(0.9), priority=Priority.QUALITY), None),
    ],
)
def test_the_strictest_relative_limit_says_how_much_worse_is_good_enough(
    request_: Request, margin: float | None
) -> None:
    found = margin_of(request_, answered(0.8))
    assert found is None if margin is None else found == pytest.approx(margin)


def test_there_is_no_comparison_before_the_baseline_has_answered() -> None:
    suite = Shelf().find("s")
    exams = Exams(suite=suite, own=None)
    assert exams.paired(a_request(), None) is None
    assert exams.paired(a_request(), answered(0.0)) is None
    assert exams.paired(a_request(), answered(0.8)) is not None
    assert Exams(suite=None, own=None).garbage(None) is None


def test_a_closer_limit_needs_more_items_of_the_baseline() -> None:
    relative = replace(at_least(0.97), relative=True)
    assert items_needed(a_request(relative)) == 120, "of 100 no loss at all was 0.968 at worst"
    assert items_needed(a_request(relative, replace(relative, limit=0.99))) == 360
    assert items_needed(a_request(replace(relative, limit=1.0))) == 0, "nothing can show it"
    assert items_needed(a_request()) == 0


def test_two_files_of_scorers_are_refused() -> None:
    asks = replace(item(0), scorer=Scorer.PYTHON, answer="mark")
    suites = [
        Suite(name=name, version="1", sha256="0", items=(asks,), scorer_path=f"{name}.py")
        for name in ("a", "b")
    ]
    with pytest.raises(SpecError, match=r"a\.py and b\.py"):
        program_of(*suites)
    assert program_of(replace(suites[0], items=(item(0),))) is None


@pytest.mark.parametrize(
    ("concurrency", "places", "asked", "loaded"),
    [
        (8, None, 8, 32),  # nobody knows how many it takes: four times the workload's
        (8, 4, 8, 16),
        (8, 16, 16, 32),
        (8, 256, 32, 256),
        (64, 256, 64, 256),
        (64, None, 64, 256),
    ],
)
def test_questions_fill_the_batches_that_an_engine_takes(
    concurrency: int, places: int | None, asked: int, loaded: int
) -> None:
    request = replace(a_request(), workload=a_workload(concurrency=concurrency))
    assert in_flight(request, places) == asked
    assert loaded_in_flight(request, places) is None
    assert loaded_in_flight(replace(request, beside=(Beside.LOAD,)), places) == loaded


def test_long_texts_are_as_long_as_the_workloads_prompts() -> None:
    workload = replace(a_workload(), input_tokens=3000)
    request = replace(a_request(), workload=workload, beside=(Beside.CONTEXT,))
    shelf = Shelf()
    exams = find_exams(request, a_model(), shelf)
    assert shelf.asked == ["standard", "needle:3000"]
    assert exams.long is not None
    short = replace(request, workload=replace(workload, input_tokens=64))
    assert needle_of(short) == "needle:256"


def test_a_limit_on_what_is_asked_besides_takes_items_enough_for_its_verdict() -> None:
    workload = replace(a_workload(), input_tokens=3000)

    def limited(*texts: str) -> Request:
        limits = tuple(parse_constraint(text) for text in texts)
        return replace(a_request(), workload=workload, constraints=limits)

    assert (needle_of(limited()), loaded_items(limited())) == ("needle:3000", 60)
    assert needle_of(limited("quality(long) >= 0.5")) == "needle:3000"
    assert needle_of(limited("quality(long) >= 0.9")) == "needle:3000:2"
    assert needle_of(limited("quality(long) >= 0.97x")) == "needle:3000:4"
    assert needle_of(limited("quality(long) >= 0.9999")) == "needle:3000:20"
    assert needle_of(limited("quality(long) <= 0.9", "quality(long) >= 1x")) == "needle:3000"
    assert loaded_items(limited("quality(load) >= 0.97x")) == 120
    assert items_needed(limited("quality(load) >= 0.97x")) == 120
    assert loaded_items(limited("quality(load) >= 0.95", "quality >= 0.99x")) == 110


def test_the_users_own_prompts_are_read_first() -> None:
    suite = Shelf().find("s")
    own = replace(
        suite, items=(replace(item(0), messages=(Message(role="user", content="Mine"),)),)
    )
    prompts = Exams(suite=suite, own=own).prompts
    assert prompts[:2] == ("Mine", "?")
    assert len(prompts) == FIDELITY_PROMPTS
    long = replace(item(0), messages=(Message(role="user", content="x" * 10_000),))
    assert [len(text) for text in prompts_of([long])] == [PROMPT_CHARS]


class PictureShelf(Shelf):
    """Has pictures under every name but one."""

    def find(self, name: str) -> Suite:
        if name.startswith("needle") or name == "texts":
            return super().find(name)
        self.asked.append(name)
        picture = replace(item(0), scorer=Scorer.PICTURE, answer="", seed=1)
        return Suite(name=name, version="1", sha256="0" * 64, items=(picture,))


def test_an_image_model_is_asked_for_pictures_though_it_has_no_chat_template() -> None:
    model = replace(a_model(), image_family="reference-image", has_chat_template=False)
    shelf = PictureShelf()
    assert find_exams(a_request(), model, shelf).suite is not None
    assert shelf.asked == ["pictures"]


@pytest.mark.parametrize(
    "change",
    [{"suite": "texts"}, {"own_suite": "texts"}, {"beside": (Beside.CONTEXT,)}],
)
def test_an_image_model_is_not_asked_for_texts(change: dict[str, object]) -> None:
    model = replace(a_model(), image_family="reference-image")
    with pytest.raises(SpecError, match="asks for texts"):
        find_exams(replace(a_request(), **change), model, PictureShelf())  # type: ignore[arg-type]


def test_a_language_model_is_not_asked_for_pictures() -> None:
    with pytest.raises(SpecError, match="asks for pictures"):
        find_exams(a_request(), a_model(), PictureShelf())


def test_answers_are_asked_for_in_the_first_launch_that_goes_its_whole_way() -> None:
    variant = a_variant("fake", "int8")
    whole = a_trial(variant)
    short = replace(whole, cut=Cut(share=0.3, because="it cannot win"))
    assert is_unasked(variant, [a_trial(a_variant())])
    assert is_unasked(variant, [short]), "the bar has fallen, and it is launched again"
    assert is_unasked(variant, [a_trial(variant, cause=Cause.CRASHED)])
    assert not is_unasked(variant, [short, whole])
