from dataclasses import replace

from paceline.plan.search.estimate import LEAST_START_S, START_S, estimate, expected_s
from paceline.records.plan import Plan
from paceline.records.trial import Cut
from paceline.testing.builders import a_trial, a_variant, a_workload

BASE, INT8 = a_variant(), a_variant("fake", "int8")
WIDE = a_variant("fake", "int8", knobs=(("tokens", 512),))
OTHER = a_variant("other")
PLAN = Plan(baseline=BASE, variants=(BASE, INT8, WIDE), rejected=())
LOAD = a_workload()
EARLY = Cut(share=0.2, because="out of the race")


def test_a_trial_is_expected_to_take_what_its_own_then_its_engines_took() -> None:
    done = [a_trial(BASE, wall_s=30), a_trial(INT8, wall_s=20), a_trial(OTHER, wall_s=90)]
    assert expected_s(INT8, done) == 20
    assert expected_s(WIDE, done) == 25
    assert expected_s(a_variant("third"), done) == START_S, "a slow one says little of others"
    assert expected_s(a_variant("third"), done[1:2]) == 20
    assert expected_s(INT8, []) == START_S


def test_trials_that_ended_early_do_not_stand_for_whole_ones() -> None:
    early = replace(a_trial(INT8, wall_s=4), cut=EARLY)
    assert expected_s(WIDE, [early, a_trial(BASE, wall_s=30)]) == 30
    assert expected_s(WIDE, [early]) == 4


def test_without_history_only_the_window_is_certain() -> None:
    found = estimate(PLAN, LOAD, [])
    assert not found.seen
    assert found.least_s == LEAST_START_S + LOAD.duration_s
    assert found.least_s < found.likely_s < found.most_s


def test_history_tells_what_the_baseline_takes() -> None:
    found = estimate(PLAN, LOAD, [a_trial(BASE, wall_s=40), a_trial(INT8, wall_s=15)])
    assert found.seen
    assert found.least_s == 40
    assert found.variants == 3


def test_a_single_variant_is_measured_once() -> None:
    alone = Plan(baseline=BASE, variants=(BASE,), rejected=())
    found = estimate(alone, LOAD, [a_trial(BASE, wall_s=40)])
    assert found.least_s == found.likely_s == found.most_s == 40


def test_an_estimate_is_the_same_in_whatever_order_the_variants_come() -> None:
    variants = [BASE, *(a_variant(f"engine{n}") for n in range(40))]
    history = [a_trial(v, wall_s=10 + 0.1 * at**1.7) for at, v in enumerate(variants)]
    found = {
        estimate(
            Plan(baseline=BASE, variants=tuple(order), rejected=()),
            LOAD,
            history,
        )
        for order in (variants, variants[::-1], [*variants[20:], *variants[:20]])
    }
    assert len(found) == 1
