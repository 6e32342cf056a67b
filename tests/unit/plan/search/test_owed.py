import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from paceline.plan.search import Known, Rules, Step, next_step
from paceline.plan.search.owed import mean_lengths, owed
from paceline.records.launch import Cause
from paceline.records.measurement import Metric, Verdict
from paceline.records.metric_names import SPECULATION_MEAN_LENGTH
from paceline.records.plan import Plan
from paceline.records.race import Outlook, Standing
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.testing.builders import a_trial, a_variant

NGRAM = "ngram"
SURE = Rules(audit=0.0)
BASE, FAST = a_variant("slow"), a_variant("fast", "int4")
SLOW_NGRAM, FAST_NGRAM = (replace(v, speculation=NGRAM) for v in (BASE, FAST))
TURNED = replace(FAST, knobs=(("tokens", 512),))


def standing(variant: Variant, rate: float, *, complete: bool = True) -> Standing:
    score = math.log(rate)
    return Standing(
        variant=variant,
        verdict=Verdict.PASS,
        score=score,
        low=score - 0.01,
        high=score + 0.01,
        complete=complete,
        launches=1,
    )


def guessed(variant: Variant, length: float, cause: Cause = Cause.FINISHED) -> TrialRecord:
    tokens = Metric(value=length, unit="tokens", ci95=None, n=100)
    return a_trial(variant, {SPECULATION_MEAN_LENGTH: tokens}, cause=cause)


def test_a_way_of_guessing_is_looked_at_on_the_best_variant_that_has_it() -> None:
    fresh = (SLOW_NGRAM, FAST_NGRAM)
    trials = [a_trial(BASE), a_trial(FAST)]
    looks = owed(fresh, trials, [standing(FAST, 900), standing(BASE, 100)], ())
    assert list(looks) == [FAST_NGRAM]
    looks = owed(fresh, trials, [standing(BASE, 900), standing(FAST, 100)], ())
    assert list(looks) == [SLOW_NGRAM]


def test_acceptance_is_learnt_where_a_launch_is_cheap_rather_than_where_it_is_best() -> None:
    trials = [a_trial(BASE, wall_s=90.0), a_trial(FAST, wall_s=8.0)]
    standings = [standing(BASE, 900), standing(FAST, 100)]
    assert list(owed((SLOW_NGRAM, FAST_NGRAM), trials, standings, ())) == [FAST_NGRAM]


def test_no_look_is_owed_before_the_variant_without_guesses_was_measured() -> None:
    assert not owed((SLOW_NGRAM,), [], [], ())


def test_one_look_is_enough_and_a_launch_that_died_hands_it_to_another_engine() -> None:
    standings, plain = [standing(FAST, 900), standing(BASE, 100)], [a_trial(BASE), a_trial(FAST)]
    seen = [*plain, guessed(FAST_NGRAM, 1.2)]
    assert not owed((SLOW_NGRAM,), seen, standings, ())
    died = [*plain, guessed(FAST_NGRAM, 1.0, Cause.CRASHED)]
    other = replace(FAST_NGRAM, format="int8")
    assert list(owed((other, SLOW_NGRAM), died, standings, ())) == [SLOW_NGRAM]


def test_each_engine_is_seen_once_in_each_width_when_nobody_can_tell() -> None:
    fresh = tuple(
        a_variant("fast", f) for f in ("int8", "gguf-q6_k", "w8a8", "gptq-4", "fp16", "odd")
    )
    looks = owed(fresh, [a_trial(BASE)], [], ())
    assert [v.format for v in looks] == ["int8", "gptq-4", "fp16"]
    seen = [a_trial(BASE), a_trial(a_variant("fast", "fp8"))]
    assert [v.format for v in owed(fresh, seen, [], ())] == ["gptq-4", "fp16"]


def test_looks_that_take_long_come_last() -> None:
    fresh = (a_variant("slow", "int4"), a_variant("fast", "int8"), FAST_NGRAM)
    trials = [a_trial(BASE, wall_s=90.0), a_trial(FAST, wall_s=5.0)]
    looks = owed(fresh, trials, [standing(BASE, 900), standing(FAST, 100)], ())
    assert list(looks) == [*fresh[1:], fresh[0]]


def test_what_the_predictor_tells_within_a_factor_of_two_is_owed_no_look() -> None:
    int8, w8a8 = a_variant("fast", "int8"), a_variant("fast", "w8a8")
    sure = [Outlook(variant_id=v.id, score=0.0, sd=0.3) for v in (int8, w8a8)]
    assert not owed((int8, w8a8), [], [], sure)
    unsure = [Outlook(variant_id=v.id, score=s, sd=0.4) for v, s in ((int8, 1.0), (w8a8, 2.0))]
    assert list(owed((int8, w8a8), [], [], unsure)) == [w8a8]


def test_looks_come_before_knobs_and_even_when_the_guess_is_hopeless() -> None:
    only_slow = replace(BASE, format="int4", speculation=NGRAM)
    slow4 = replace(BASE, format="int4")
    plan = Plan(baseline=BASE, variants=(BASE, FAST, slow4, TURNED, only_slow), rejected=())
    done = [standing(FAST, 90_000), standing(BASE, 100), standing(slow4, 90)]
    trials = [a_trial(BASE), a_trial(FAST), a_trial(slow4)]
    step = next_step(Known(plan=plan, trials=trials, standings=done), left_s=None)
    assert isinstance(step, Step)
    assert (step.variant, step.repeat) == (only_slow, 0)
    assert step.must_reach is not None
    assert "not known yet" in step.because


def test_what_a_check_yields_bounds_what_guessing_may_gain() -> None:
    """Plain at three quarters of the bar: 2.5 tokens per check may win, 1.1 cannot."""
    rivals = [a_variant("third", f) for f in ("int4", "int8")]
    plan = Plan(
        baseline=BASE,
        variants=(
            BASE,
            FAST,
            FAST_NGRAM,
            *rivals,
            *(replace(r, speculation=NGRAM) for r in rivals),
        ),
        rejected=(),
    )
    plain = [standing(FAST, 200), standing(BASE, 100), *(standing(r, 150) for r in rivals)]

    def launched(length: float) -> Variant | None:
        trials = [a_trial(s.variant) for s in plain] + [guessed(FAST_NGRAM, length)]
        found = [*plain, standing(FAST_NGRAM, 190)]
        known = Known(plan=plan, trials=trials, standings=found)
        step = next_step(known, left_s=None, rules=SURE)
        return step.variant if isinstance(step, Step) and not step.repeat else None

    gain = launched(2.5)
    assert gain is not None
    assert gain.speculation == NGRAM
    assert launched(1.1) is None


def test_the_most_that_any_check_yielded_counts() -> None:
    trials = [guessed(FAST_NGRAM, 1.2), guessed(SLOW_NGRAM, 1.4), a_trial(FAST)]
    assert mean_lengths(trials) == {NGRAM: 1.4}


def test_a_simulated_race_finds_a_gain_from_guessing_that_no_guess_could_foresee() -> None:
    """The slower of two engines guesses ahead and is 4 times as fast then; knobs do little."""
    random = Random(4)
    formats = ("bf16", "int8", "int4", "fp16")
    plain = [a_variant(e, f) for e in ("one", "two") for f in formats]
    base = {v: random.uniform(1, 3) * (3 if v.engine == "one" else 1) for v in plain}

    def rate(variant: Variant) -> float:
        found = base[replace(variant, knobs=(), speculation=None)]
        return found * (1.01 if variant.knobs else 1.0) * (4.0 if variant.speculation else 1.0)

    knobs = [replace(v, knobs=(("tokens", 512),)) for v in plain]
    guessing = [replace(v, speculation=NGRAM) for v in plain if v.engine == "two"]
    plan = Plan(baseline=plain[0], variants=(*plain, *knobs, *guessing), rejected=())
    trials: list[TrialRecord] = []
    while isinstance(step := next_step(_after(trials, plan, rate), left_s=None, rules=SURE), Step):
        guesses = step.variant.speculation is not None
        trials.append(guessed(step.variant, 4.2) if guesses else a_trial(step.variant))
        assert len(trials) < len(plan.variants)
    fastest = max((trial.variant for trial in trials), key=rate)
    assert rate(replace(fastest, knobs=())) == max(rate(v) for v in (*plain, *guessing))
    assert fastest.speculation == NGRAM


def _after(trials: list[TrialRecord], plan: Plan, rate: Callable[[Variant], float]) -> Known:
    launches = Counter(trial.variant for trial in trials)
    done = [
        replace(standing(variant, rate(variant)), launches=count)
        for variant, count in launches.items()
    ]
    return Known(plan=plan, trials=trials, standings=sorted(done, key=lambda s: -(s.score or 0.0)))


def test_who_the_plan_predicts_to_lose_is_owed_nothing() -> None:
    third = a_variant("third", "int8")
    lost = Rejection(variant=third, reason=RejectionReason.PREDICTED, detail="it cannot win")
    plan = Plan(baseline=BASE, variants=(BASE, FAST), rejected=(lost,))
    told = [
        Outlook(variant_id=v.id, score=math.log(rate), sd=0.5)
        for v, rate in ((BASE, 100), (FAST, 90_000), (third, 1))
    ]
    known = Known(
        plan=plan,
        trials=[a_trial(BASE), a_trial(FAST)],
        standings=[standing(FAST, 90_000), standing(BASE, 100)],
        outlooks=told,
    )
    assert not isinstance(next_step(known, left_s=None, rules=SURE), Step)


def test_a_look_comes_before_the_repeats_that_a_small_budget_has_room_for() -> None:
    plan = Plan(baseline=BASE, variants=(BASE, FAST, FAST_NGRAM), rejected=())
    known = Known(
        plan=plan,
        trials=[a_trial(BASE, wall_s=10.0), a_trial(FAST, wall_s=10.0)],
        standings=[standing(FAST, 101), standing(BASE, 100)],
    )
    step = next_step(known, left_s=15.0, rules=SURE)
    assert isinstance(step, Step)
    assert step.variant == FAST_NGRAM


def test_an_engine_that_is_far_behind_in_two_widths_is_owed_no_look_in_the_third() -> None:
    slow16, slow8, slow4 = (a_variant("slow", name) for name in ("bf16", "int8", "int4"))
    trials = [a_trial(v) for v in (FAST, slow16, slow8)]
    far = [standing(FAST, 900), standing(slow16, 200), standing(slow8, 250)]
    assert not owed([slow4], trials, far, ())
    near = [*far[:2], standing(slow8, 350)]
    assert list(owed([slow4], trials, near, ())) == [slow4]
    assert list(owed([slow4], trials[:2], far[:2], ())) == [slow4], "one width says little"
