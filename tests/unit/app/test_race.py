"""The search in the words of a run."""

import math
from dataclasses import replace

from paceline.app.race import Race, with_variant
from paceline.plan.search import Step, Stop
from paceline.records.measurement import Interval
from paceline.records.plan import Plan, Predicted, PredictedMetric
from paceline.records.trial import Cut, PruningCheck, TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_request, a_trial, a_variant

BASE, INT8, INT4 = a_variant(), a_variant("fake", "int8"), a_variant("fake", "int4")
WIDE = a_variant("fake", "int8", knobs=(("tokens", 512),))
PLAN = Plan(baseline=BASE, variants=(BASE, INT8, INT4, WIDE), rejected=())


def trial(variant: Variant, rate: float, *, ttft_ms: float = 50.0) -> TrialRecord:
    return a_trial(
        variant,
        {
            "output_tokens_per_s": a_metric(rate, "tokens/s", spread=0.02),
            "ttft_p95_ms": a_metric(ttft_ms, spread=0.02),
        },
    )


def test_what_is_pruned_is_rejected_in_the_units_of_the_objective() -> None:
    race = Race(a_request())
    done = [trial(BASE, 1000), trial(INT8, 200), trial(INT4, 5000)]
    end = race.next(PLAN, done, left_s=None)
    assert isinstance(end, Stop)
    (rejection,) = [race.rejection(out) for out in end.pruned]
    assert (rejection.variant, rejection.reason) == (WIDE, RejectionReason.PREDICTED)
    assert rejection.have is not None
    assert rejection.need is not None
    assert rejection.have.startswith("at best ")
    assert rejection.have.endswith(" tokens/s")
    assert rejection.need.startswith("to reach 5,1")


def test_a_first_rung_ends_with_both_figures_or_not_at_all() -> None:
    race = Race(a_request())
    step = race.next(PLAN, [trial(BASE, 1000)], left_s=None)
    assert isinstance(step, Step)
    reach = step.must_reach
    assert reach is not None

    def why_end(rate: float) -> str | None:
        return race.why_end(PLAN, [trial(BASE, 1000)], trial(INT8, rate), must_reach=reach)

    assert why_end(950) is None, "a short window is noisier than a whole one"
    because = why_end(500)
    assert because is not None
    assert because.startswith("500 tokens/s in its first rung")
    assert because.endswith(f"cannot reach {math.exp(reach):,.4g} tokens/s")


def test_an_audit_of_a_predicted_miss_has_both_sides_of_the_limit() -> None:
    race = Race(a_request(parse_constraint("ttft p95 <= 100ms")))
    band = PredictedMetric(value=300.0, unit="ms", band90=Interval(lo=150.0, hi=600.0))
    said = Predicted(variant_id=WIDE.id, metrics={"ttft_p95_ms": band}, requests_at_most=8)
    miss = Rejection(variant=WIDE, reason=RejectionReason.CONSTRAINT, detail="predicted to miss")
    plan = replace(PLAN, rejected=(miss,), predictions=(said,))
    drawn = Step(variant=WIDE, repeat=0, because="drawn", audits=miss)
    assert race.check(drawn, plan) == PruningCheck(
        thought_at_best=150.0, needed=100.0, constraint="ttft p95 <= 100ms"
    )


def test_a_first_rung_that_fails_a_limit_ends_the_trial() -> None:
    race = Race(a_request(parse_constraint("ttft p95 <= 100ms")))
    slow = trial(INT8, 5000, ttft_ms=400)
    assert race.why_end(PLAN, [trial(BASE, 1000)], slow, must_reach=6.9) is not None


def test_the_standing_of_a_rung_counts_as_that_of_a_short_window() -> None:
    """A rung that ended keeps the variant out; the same figures of a whole window would be sure."""
    race = Race(a_request())
    early = replace(trial(INT8, 500), cut=Cut(share=0.2, because="out"))
    step = race.next(PLAN, [trial(BASE, 1000), early], left_s=None)
    assert isinstance(step, Step)
    assert step.variant == INT4


def test_a_variant_that_is_measured_is_no_longer_rejected() -> None:
    lost = Rejection(variant=WIDE, reason=RejectionReason.PREDICTED, detail="behind")
    plan = Plan(baseline=BASE, variants=(BASE,), rejected=(lost,))
    grown = with_variant(plan, WIDE)
    assert (grown.variants, grown.rejected) == ((BASE, WIDE), ())
    assert with_variant(grown, WIDE) is grown
