"""The order and its ties."""

import random
from dataclasses import replace

import pytest

from paceline.rank.choose import (
    LAUNCH_NOISE,
    Candidate,
    Place,
    in_order,
    simplicity,
    tied_with,
)
from paceline.rank.filter import Judgement, Measured
from paceline.rank.pool import Pooled
from paceline.rank.reading import Reading
from paceline.records.measurement import Verdict
from paceline.records.ranking import ConstraintVerdict
from paceline.records.variant import Variant
from paceline.spec.grammar import parse_constraint
from paceline.stats import Bounds
from paceline.testing.builders import a_variant, a_workload

LIMIT = parse_constraint("ttft p95 <= 200ms")


def a_reading(value: float, spread: float = 0.05) -> Reading:
    return Reading(value=value, bounds=Bounds(lo=value * (1 - spread), hi=value * (1 + spread)))


def a_candidate(
    name: str | Variant,
    objective: float | None,
    *,
    cost: float | None = None,
    verdict: Verdict = Verdict.PASS,
    margin: float | None = 0.1,
    spread: float = 0.05,
    doubt: str | None = None,
) -> Candidate:
    variant = name if isinstance(name, Variant) else a_variant(name)
    pooled = Pooled(variant=variant, metrics={}, quality=None, unsound=None, set_aside=(), trials=1)
    return Candidate(
        measured=Measured(pooled=pooled, baseline=None, comparison=None, workload=a_workload()),
        judgements=(
            Judgement(
                verdict=ConstraintVerdict(
                    constraint=LIMIT, verdict=verdict, value=1.0, margin=margin, because=""
                ),
                bounds=None,
            ),
        ),
        objective=None if objective is None else a_reading(objective, spread),
        cost=None if cost is None else a_reading(cost),
        doubt=doubt,
    )


def names(places: list[Place]) -> list[str]:
    return [place.candidate.variant.engine for place in places]


def order(*candidates: Candidate, less: bool = False) -> list[str]:
    return names(in_order(candidates, less_is_better=less))


def test_constraints_come_before_the_priority() -> None:
    assert order(
        a_candidate("failing", 900.0, verdict=Verdict.FAIL, margin=-0.5),
        a_candidate("open", 500.0, verdict=Verdict.UNRESOLVED),
        a_candidate("doubtful", 700.0, doubt="contended"),
        a_candidate("passing", 100.0),
        a_candidate("nearer", 1.0, verdict=Verdict.FAIL, margin=-0.1),
    ) == ["passing", "doubtful", "open", "nearer", "failing"]


@pytest.mark.parametrize(("less", "first"), [(True, "low"), (False, "high")])
def test_the_priority_has_a_direction(less: bool, first: str) -> None:
    assert order(a_candidate("low", 1.0), a_candidate("high", 2.0), less=less)[0] == first


def test_a_tie_goes_to_the_cheaper_then_the_simpler_then_the_better() -> None:
    knobs = a_variant("tuned", knobs=(("batch", 8),))
    best = a_candidate(knobs, 104.0, cost=2.0)
    assert order(best, a_candidate("plain", 100.0, cost=2.0)) == ["plain", "tuned"]
    assert order(
        best, a_candidate("cheap", 98.0, cost=1.0), a_candidate("plain", 103.0, cost=2.0)
    ) == [
        "cheap",
        "plain",
        "tuned",
    ]
    assert order(a_candidate("b", 100.0), a_candidate("a", 101.0)) == ["a", "b"]


@pytest.mark.parametrize(
    ("plain", "less", "first"),
    [
        (96.0, False, "plain"),
        (94.0, False, "tuned"),
        (105.0, True, "plain"),
        (106.0, True, "tuned"),
    ],
)
def test_the_plainer_of_a_noisy_tie_is_not_taken_where_it_is_far_behind(
    plain: float, less: bool, first: str
) -> None:
    tuned = a_candidate(a_variant("tuned", knobs=(("batch", 8),)), 100.0, spread=0.5)
    places = in_order([a_candidate("plain", plain, spread=0.5), tuned], less_is_better=less)
    assert names(places)[0] == first
    assert places[0].tied


def test_nobody_leads_whom_another_beats_beyond_the_noise() -> None:
    """The noisy leader is level with both, but one of them is surely better than the other."""
    noisy = a_candidate("noisy", 120.0, cost=2.0, spread=0.5)
    sure = a_candidate("sure", 110.0, cost=2.0, spread=0.01)
    cheap = a_candidate("cheap", 70.0, cost=1.0)
    assert order(noisy, sure, cheap)[-1] == "cheap"
    winner = in_order([noisy, sure, cheap], less_is_better=False)[0]
    assert cheap not in winner.tied


@pytest.mark.parametrize(("launched_once", "tied"), [(True, True), (False, False)])
def test_one_launch_each_tells_nobody_apart_by_less_than_launches_differ(
    launched_once: bool, tied: bool
) -> None:
    noise = LAUNCH_NOISE if launched_once else 0.0
    first, second, far = (
        replace(a_candidate(name, value, spread=0.001), unseen_noise=noise)
        for name, value in (("first", 103.0), ("second", 100.0), ("far", 90.0))
    )
    places = in_order([first, second, far], less_is_better=False)
    assert names(places) == ["first", "second", "far"]
    found = tied_with(places[0], places, less_is_better=False)
    assert found == ((second.variant.id,) if tied else ())


def test_the_reason_of_a_tie_is_told() -> None:
    tuned = a_candidate(a_variant("tuned", knobs=(("batch", 8),)), 104.0)
    places = in_order([tuned, a_candidate("plain", 100.0)], less_is_better=False)
    assert places[0].because is not None
    assert tuned.variant.id in places[0].because
    assert "simpler" in places[0].because
    assert places[1].because is None


def test_a_difference_beyond_the_noise_is_no_tie() -> None:
    places = in_order([a_candidate("a", 100.0), a_candidate("b", 120.0)], less_is_better=False)
    assert names(places) == ["b", "a"]
    assert tied_with(places[0], places, less_is_better=False) == ()


def test_who_has_no_bounds_cannot_be_told_from_anybody() -> None:
    unknown = a_candidate("unknown", 900.0)
    unknown = Candidate(
        measured=unknown.measured,
        judgements=unknown.judgements,
        objective=Reading(value=900.0, bounds=None),
        cost=None,
        doubt=None,
    )
    places = in_order([unknown, a_candidate("known", 100.0)], less_is_better=False)
    assert tied_with(places[0], places, less_is_better=False) == (places[1].candidate.variant.id,)


def test_who_has_no_objective_comes_last_of_its_standing_and_ties_with_nobody() -> None:
    places = in_order([a_candidate("none", None), a_candidate("a", 1.0)], less_is_better=False)
    assert names(places) == ["a", "none"]
    assert tied_with(places[0], places, less_is_better=False) == ()


def test_ties_are_within_one_standing_only() -> None:
    places = in_order(
        [a_candidate("a", 100.0), a_candidate("b", 100.0, verdict=Verdict.UNRESOLVED)],
        less_is_better=False,
    )
    assert tied_with(places[0], places, less_is_better=False) == ()


def test_speculation_is_less_simple_than_any_knob() -> None:
    plain = Variant(accelerator="cpu", count=1, format="bf16", engine="x")
    tuned = Variant(
        accelerator="cpu", count=1, format="bf16", engine="x", knobs=(("a", 1), ("b", 2))
    )
    drafting = Variant(accelerator="cpu", count=1, format="bf16", engine="x", speculation="ngram")
    assert simplicity(plain) < simplicity(tuned) < simplicity(drafting)


def test_the_order_is_whole_and_does_not_depend_on_the_order_given() -> None:
    chance = random.Random(8)
    for _ in range(100):
        candidates = [
            a_candidate(
                f"e{n}",
                chance.choice([None, chance.uniform(90, 130)]),
                cost=chance.choice([None, chance.uniform(1, 2)]),
                verdict=chance.choice(list(Verdict)),
                margin=chance.choice([None, chance.uniform(-1, 1)]),
                spread=chance.uniform(0, 0.1),
            )
            for n in range(8)
        ]
        first = order(*candidates)
        assert sorted(first) == [f"e{n}" for n in range(8)]
        chance.shuffle(candidates)
        assert order(*candidates) == first
        standings = [
            place.candidate.standing for place in in_order(candidates, less_is_better=False)
        ]
        assert standings == sorted(
            standings, key=[Verdict.PASS, Verdict.UNRESOLVED, Verdict.FAIL].index
        )
