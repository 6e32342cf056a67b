import math

from paceline.plan.search import Known, Rules, Step, Stop, next_step, stays
from paceline.records.launch import Cause
from paceline.records.measurement import Verdict
from paceline.records.plan import Plan
from paceline.records.race import Outlook, Standing
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.testing.builders import a_trial, a_variant

BASE = a_variant("slow")
INT8 = a_variant("quick", "int8")
INT4 = a_variant("quick", "int4")
WIDE = (("tokens", 512),)
INT8_WIDE = a_variant("quick", "int8", knobs=WIDE)
INT4_WIDE = a_variant("quick", "int4", knobs=WIDE)
PLAN = Plan(baseline=BASE, variants=(BASE, INT8, INT4, INT8_WIDE, INT4_WIDE), rejected=())
SURE = 0.01
NO_AUDIT = Rules(audit=0.0)


def standing(
    variant: Variant,
    rate: float,
    *,
    verdict: Verdict = Verdict.PASS,
    complete: bool = True,
    launches: int = 1,
) -> Standing:
    """A measured rate with one percent of noise to either side."""
    score = math.log(rate)
    return Standing(
        variant=variant,
        verdict=verdict,
        score=score,
        low=score - SURE,
        high=score + SURE,
        complete=complete,
        launches=launches,
    )


def decide(
    *standings: Standing,
    trials: list[TrialRecord] | None = None,
    plan: Plan = PLAN,
    left_s: float | None = None,
    outlooks: tuple[Outlook, ...] = (),
    rules: Rules = NO_AUDIT,
    seed: int = 0,
) -> Step | Stop:
    best_first = sorted(standings, key=lambda s: -(s.score or 0.0))
    done = [
        a_trial(found.variant, repeat=repeat)
        for found in standings
        for repeat in range(found.launches)
    ]
    known = Known(
        plan=plan,
        trials=done if trials is None else trials,
        standings=best_first,
        outlooks=outlooks,
        seed=seed,
    )
    return next_step(known, left_s=left_s, rules=rules)


def step(*standings: Standing, **known: object) -> Step:
    found = decide(*standings, **known)  # type: ignore[arg-type]  # names of `decide`
    assert isinstance(found, Step), found
    return found


def stop(*standings: Standing, **known: object) -> Stop:
    found = decide(*standings, **known)  # type: ignore[arg-type]  # names of `decide`
    assert isinstance(found, Stop), found
    return found


def test_the_baseline_comes_first_and_whole_even_when_the_budget_is_too_small() -> None:
    first = step(left_s=1)
    assert (first.variant, first.must_reach) == (BASE, None)


def test_changed_knobs_of_the_leader_come_before_those_of_a_loser() -> None:
    following = step(standing(BASE, 100), standing(INT8, 300), standing(INT4, 600))
    assert following.variant == INT4_WIDE


def test_the_knobs_of_a_clear_loser_are_pruned_with_both_numbers() -> None:
    done = (standing(BASE, 100), standing(INT8, 200), standing(INT4, 900))
    end = stop(*done, standing(INT4_WIDE, 700))
    assert [out.variant for out in end.pruned] == [INT8_WIDE]
    assert math.exp(end.pruned[0].optimistic) < 400
    assert math.exp(end.pruned[0].bar) > 800


def test_nothing_is_pruned_before_a_variant_passes() -> None:
    failing = [
        standing(v, rate, verdict=Verdict.FAIL)
        for v, rate in ((BASE, 100), (INT8, 200), (INT4, 900))
    ]
    following = step(*failing, standing(INT4_WIDE, 700, verdict=Verdict.FAIL))
    assert (following.variant, following.must_reach) == (INT8_WIDE, None)


def test_a_newcomer_must_reach_two_percent_more_than_the_leader() -> None:
    following = step(standing(BASE, 100), standing(INT8, 300))
    assert following.must_reach is not None
    assert 305 < math.exp(following.must_reach) < 307


def test_a_first_rung_ends_what_cannot_win_and_lets_the_others_go_on() -> None:
    bar = math.log(300)
    assert not stays(standing(INT4, 200, complete=False), bar)
    assert stays(standing(INT4, 290, complete=False), bar)
    assert not stays(standing(INT4, 900, complete=False, verdict=Verdict.FAIL), bar)


def test_who_was_ended_by_a_bar_that_fell_since_is_launched_again() -> None:
    ended = standing(INT4, 290, complete=False)
    done = (standing(BASE, 300), ended, standing(INT8, 90), standing(INT8_WIDE, 90))
    fast_but_bad = standing(INT4_WIDE, 900, verdict=Verdict.FAIL)
    again = step(*done, fast_but_bad)
    assert (again.variant, again.repeat, again.must_reach) == (INT4, 1, None)


def test_close_contenders_are_launched_again_in_turn_and_clear_ones_are_not() -> None:
    rest = (standing(BASE, 100), standing(INT8_WIDE, 200), standing(INT4_WIDE, 200))
    again = step(*rest, standing(INT4, 505), standing(INT8, 500))
    assert (again.variant, again.repeat) == (INT4, 1)
    again = step(*rest, standing(INT4, 505, launches=2), standing(INT8, 500))
    assert (again.variant, again.repeat) == (INT8, 1)
    again = step(*rest, standing(INT4, 505, launches=2), standing(INT8, 500, launches=2))
    assert (again.variant, again.repeat) == (INT4, 2)
    stop(*rest, standing(INT4, 505, launches=3), standing(INT8, 500, launches=3))
    stop(*rest, standing(INT4, 900), standing(INT8, 500))


def test_a_contender_that_dies_when_launched_again_is_not_launched_without_end() -> None:
    all_trials = [a_trial(v, repeat=0) for v in PLAN.variants]
    died = a_trial(INT8, repeat=1, cause=Cause.CRASHED)
    measured = [
        standing(v, rate) for v, rate in zip(PLAN.variants, (9, 21, 20.9, 9, 9), strict=True)
    ]
    assert step(*measured, trials=all_trials).variant == INT8
    assert step(*measured, trials=[*all_trials, died]).variant == INT4


def test_an_unresolved_leader_is_launched_again() -> None:
    rest = (standing(BASE, 100), standing(INT8_WIDE, 200), standing(INT4_WIDE, 200))
    again = step(*rest, standing(INT4, 900, verdict=Verdict.UNRESOLVED), standing(INT8, 500))
    assert (again.variant, again.repeat) == (INT4, 1)


def test_knobs_that_did_not_hurt_are_combined_near_the_leader() -> None:
    cached = a_variant("quick", "int4", knobs=(("cache", True),))
    plan = Plan(baseline=BASE, variants=(BASE, INT4, INT4_WIDE, cached), rejected=())
    done = (standing(BASE, 100), standing(INT4, 500), standing(INT4_WIDE, 560))
    following = step(*done, standing(cached, 580), plan=plan)
    assert following.variant == a_variant("quick", "int4", knobs=(("cache", True), *WIDE))
    stop(*done, standing(cached, 300), plan=plan)


def test_a_combination_that_was_rejected_is_not_proposed_again() -> None:
    cached = a_variant("quick", "int4", knobs=(("cache", True),))
    both = a_variant("quick", "int4", knobs=(("cache", True), *WIDE))
    known = Rejection(variant=both, reason=RejectionReason.KNOWN_FAILURE, detail="it died")
    plan = Plan(baseline=BASE, variants=(BASE, INT4, INT4_WIDE, cached), rejected=(known,))
    near = (standing(INT4_WIDE, 560, launches=3), standing(cached, 580, launches=3))
    end = stop(standing(BASE, 100), standing(INT4, 500), *near, plan=plan)
    assert both not in end.left_out


def test_what_runs_out_of_memory_takes_its_changed_knobs_along() -> None:
    trials = [a_trial(BASE), a_trial(INT4, cause=Cause.OUT_OF_MEMORY), a_trial(INT8)]
    done = (standing(BASE, 100), standing(INT8, 200))
    following = step(*done, trials=trials)
    assert following.variant == INT8_WIDE
    trials.append(a_trial(INT8_WIDE))
    end = stop(*done, standing(INT8_WIDE, 100), trials=trials)
    (gone,) = end.doomed
    assert (gone.variant, gone.reason) == (INT4_WIDE, RejectionReason.KNOWN_FAILURE)
    assert gone.detail == "quick int4 ended as out-of-memory in this run"


def test_a_second_launch_that_dies_does_not_take_changed_knobs_along() -> None:
    died = a_trial(INT4, repeat=1, cause=Cause.OUT_OF_MEMORY)
    done = (standing(BASE, 100), standing(INT8, 90), standing(INT4, 900))
    trials = [a_trial(BASE), a_trial(INT8), a_trial(INT4), died]
    assert step(*done, trials=trials).variant == INT4_WIDE


def test_a_prediction_prunes_what_it_says_cannot_win() -> None:
    rates = {BASE: 100, INT8: 300, INT4: 50, INT8_WIDE: 310, INT4_WIDE: 50}
    told = tuple(Outlook(variant_id=v.id, score=math.log(r), sd=0.1) for v, r in rates.items())
    first = step(standing(BASE, 100), outlooks=told)
    assert first.variant in (INT8, INT8_WIDE)
    end = stop(standing(BASE, 100), standing(INT8, 300, launches=3),
               standing(INT8_WIDE, 305, launches=3), outlooks=told)  # fmt: skip
    assert {out.variant for out in end.pruned} == {INT4, INT4_WIDE}


def test_a_variant_whose_own_prediction_reaches_the_leader_is_not_left_out_by_a_guess() -> None:
    """The leader did worse than predicted, and so may its like: but then that is only a guess."""
    plan = Plan(baseline=BASE, variants=(BASE, INT8, INT4), rejected=())
    done = (standing(BASE, 100), standing(INT8, 200, launches=2))

    def told(rate: float) -> tuple[Outlook, ...]:
        rates = {BASE: 100.0, INT8: 400.0, INT4: rate}
        return tuple(Outlook(variant_id=v.id, score=math.log(r), sd=0.3) for v, r in rates.items())

    assert step(*done, plan=plan, outlooks=told(120)).variant == INT4, "120 e^(2.33 x 0.3) = 241"
    bounds = stop(*done, plan=plan, outlooks=told(100)).pruned
    assert [out.variant for out in bounds] == [INT4], "100 e^(2.33 x 0.3) = 201"


def test_a_vague_prediction_has_no_say_against_what_trials_say_of_its_like() -> None:
    """On a machine that nobody measured, everything was foretold far too fast."""
    kin = [a_variant("slow", f"x{n}") for n in range(12)]
    plan = Plan(baseline=BASE, variants=(BASE, INT8, *kin), rejected=())
    told = tuple(Outlook(variant_id=v.id, score=math.log(500), sd=0.6) for v in plan.variants)
    done = [standing(BASE, 100), standing(INT8, 300, launches=2)]
    done += [standing(v, 100 + n) for n, v in enumerate(kin[:8])]
    pruned = [out.variant for out in stop(*done, plan=plan, outlooks=told).pruned]
    assert pruned == kin[8:], "500 e^(2.33 x 0.6) = 2023, but eight of twelve reached 107"


def test_who_was_left_out_by_prediction_comes_back_when_the_run_proves_it_wrong() -> None:
    third = a_variant("third", "int4")
    lost = Rejection(variant=third, reason=RejectionReason.PREDICTED, detail="it cannot win")
    plan = Plan(baseline=BASE, variants=(BASE, INT8), rejected=(lost,))
    told = tuple(
        Outlook(variant_id=v.id, score=math.log(rate), sd=0.2)
        for v, rate in ((BASE, 100), (INT8, 900), (third, 300))
    )
    as_foretold = (standing(BASE, 100), standing(INT8, 900))
    assert [out.variant for out in stop(*as_foretold, plan=plan, outlooks=told).pruned] == [third]
    far_slower = (standing(BASE, 100), standing(INT8, 250))
    assert step(*far_slower, plan=plan, outlooks=told).variant == third
    nothing_passes = tuple(standing(v, 100, verdict=Verdict.FAIL, launches=2) for v in (BASE, INT8))
    assert stop(*nothing_passes, plan=plan, outlooks=told).pruned == ()


def test_a_share_of_the_pruned_is_launched_all_the_same_by_a_seeded_draw() -> None:
    done = (standing(BASE, 100), standing(INT8, 200), standing(INT4, 900), standing(INT4_WIDE, 700))
    drawn = []
    for seed in range(200):
        found = decide(*done, rules=Rules(audit=0.2), seed=seed)
        assert found == decide(*done, rules=Rules(audit=0.2), seed=seed)
        if isinstance(found, Step):
            assert found.audits is not None
            assert found.audits.variant == found.variant == INT8_WIDE
            drawn.append(seed)
    assert 20 <= len(drawn) <= 60


def test_what_was_predicted_to_miss_a_limit_is_drawn_too_and_never_races() -> None:
    miss = Rejection(variant=INT4, reason=RejectionReason.CONSTRAINT, detail="predicted to miss")
    plan = Plan(baseline=BASE, variants=(BASE, INT8), rejected=(miss,))
    done = (standing(BASE, 100), standing(INT8, 900))
    stop(*done, plan=plan)
    drawn = step(*done, plan=plan, rules=Rules(audit=1.0))
    assert (drawn.variant, drawn.audits, drawn.must_reach) == (INT4, miss, math.log(900) + 0.02)
    died = [a_trial(BASE), a_trial(INT8), a_trial(INT4, cause=Cause.CRASHED)]
    stop(*done, plan=plan, trials=died, rules=Rules(audit=1.0))


def test_what_the_budget_leaves_out_is_named() -> None:
    end = stop(standing(BASE, 100), standing(INT8, 300), left_s=10)
    assert set(end.left_out) == {INT4, INT8_WIDE, INT4_WIDE}
    assert "10 s of budget left" in end.because


def test_the_repeats_of_contenders_are_reserved_in_the_budget() -> None:
    done = (standing(BASE, 100), standing(INT8, 500), standing(INT4, 505))
    last = step(*done, left_s=40 + 19)
    assert (last.variant, last.repeat) == (INT4, 1)
    assert step(*done, left_s=40 + 21).repeat == 0


def test_a_slow_baseline_is_not_launched_again_before_anything_else_was_measured() -> None:
    following = step(standing(BASE, 100), trials=[a_trial(BASE, wall_s=140)], left_s=160)
    assert (following.variant, following.repeat) == (INT8, 0)
