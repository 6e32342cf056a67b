from paceline.plan.order import Step, Stop, next_step
from paceline.records.plan import Plan
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.testing.builders import a_trial, a_variant

BASE = a_variant("slow")
INT8 = a_variant("quick", "int8")
INT4 = a_variant("quick", "int4")
INT8_WIDE = a_variant("quick", "int8", knobs=(("tokens", 512),))
INT4_WIDE = a_variant("quick", "int4", knobs=(("tokens", 512),))
PLAN = Plan(baseline=BASE, variants=(BASE, INT8, INT4, INT8_WIDE, INT4_WIDE), rejected=())


def step(
    trials: list[TrialRecord], *, leaders: list[Variant] | None = None, budget_s: float | None
) -> Step | Stop:
    return next_step(
        PLAN,
        trials,
        leaders=[variant.id for variant in leaders or []],
        spent_s=sum(trial.wall_s for trial in trials),
        budget_s=budget_s,
    )


def test_the_baseline_comes_first_even_when_the_budget_is_too_small() -> None:
    first = step([], budget_s=1)
    assert isinstance(first, Step)
    assert first.variant == BASE


def test_changed_knobs_follow_the_leader_they_were_changed_from() -> None:
    done = [a_trial(BASE), a_trial(INT8), a_trial(INT4)]
    following = step(done, leaders=[INT4, INT8], budget_s=None)
    assert isinstance(following, Step)
    assert following.variant == INT4_WIDE


def test_contenders_are_launched_again_when_everything_was_tried() -> None:
    done = [a_trial(variant) for variant in PLAN.variants]
    again = step(done, leaders=[INT4, INT8], budget_s=None)
    assert isinstance(again, Step)
    assert (again.variant, again.repeat) == (INT4, 1)
    done.append(a_trial(INT4, repeat=1))
    again = step(done, leaders=[INT4, INT8], budget_s=None)
    assert isinstance(again, Step)
    assert (again.variant, again.repeat) == (INT8, 1)
    done.append(a_trial(INT8, repeat=1))
    assert step(done, leaders=[INT4, INT8], budget_s=None) == Stop(
        because="everything was measured"
    )


def test_the_repeats_of_contenders_are_reserved_in_the_budget() -> None:
    done = [a_trial(BASE, wall_s=20), a_trial(INT8, wall_s=20), a_trial(INT4, wall_s=20)]
    last = step(done, leaders=[INT8, INT4], budget_s=60 + 40 + 19)
    assert isinstance(last, Step)
    assert (last.variant, last.repeat) == (INT8, 1)


def test_what_the_budget_leaves_out_is_named() -> None:
    done = [a_trial(BASE, wall_s=20), a_trial(INT8, wall_s=20)]
    end = step(done, leaders=[INT8], budget_s=50)
    assert isinstance(end, Stop)
    assert set(end.left_out) == {INT4, INT8_WIDE, INT4_WIDE}
    assert "10 s of budget left" in end.because


def test_a_slow_baseline_is_not_launched_again_before_anything_else_was_measured() -> None:
    done = [a_trial(BASE, wall_s=140)]
    following = step(done, leaders=[BASE], budget_s=300)
    assert isinstance(following, Step)
    assert (following.variant, following.repeat) == (INT8, 0)
