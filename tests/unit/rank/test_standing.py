"""Standings and outlooks: what the search is told."""

import math
from dataclasses import replace

import pytest

from paceline.rank.standing import outlooks, scale, standings
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric, Verdict
from paceline.records.plan import Plan, Predicted, PredictedMetric
from paceline.records.request import Priority
from paceline.records.trial import Cut, TrialRecord
from paceline.records.variant import Variant
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_request, a_trial, a_variant

BASE, INT8 = a_variant(), a_variant("fake", "int8")
PLAN = Plan(baseline=BASE, variants=(BASE, INT8), rejected=())
EARLY = Cut(share=0.2, because="out of the race")


def trial(
    variant: Variant, rate: float, *, spread: float | None = 0.02, n: int = 100, ttft_ms: float = 50
) -> TrialRecord:
    tokens = a_metric(rate, "tokens/s", spread=spread or 0.0, n=n)
    tokens = tokens if spread is not None else replace(tokens, ci95=None)
    cost = a_metric(1000 / rate, "usd/mtok", spread=spread or 0.0)
    return a_trial(
        variant,
        {
            "output_tokens_per_s": tokens,
            "cost_usd_per_mtok": cost,
            "ttft_p95_ms": a_metric(ttft_ms, spread=0.02),
        },
    )


def test_scores_are_logarithms_with_more_being_better_whatever_the_objective() -> None:
    done = [trial(BASE, 100), trial(INT8, 200)]
    first, second = standings(a_request(), PLAN, done)
    assert first.variant == INT8
    assert first.score == pytest.approx(math.log(200))
    assert first.low == pytest.approx(math.log(196))
    assert first.high == pytest.approx(math.log(204))
    assert second.score == pytest.approx(math.log(100))
    cheap, dear = standings(a_request(priority=Priority.COST), PLAN, done)
    assert cheap.variant == INT8
    assert cheap.score == pytest.approx(-math.log(5))
    assert cheap.low is not None
    assert cheap.high is not None
    assert dear.high is not None
    assert dear.high < cheap.low < cheap.high


def test_a_rate_over_few_requests_is_bounded_by_what_the_edges_may_hold() -> None:
    (found,) = standings(a_request(), PLAN, [trial(BASE, 100, spread=None, n=16)])
    assert found.high == pytest.approx(math.log(100 * (1 + 8 / 16)))
    assert found.low == pytest.approx(math.log(100 / (1 + 8 / 16)))


def test_a_constraint_decides_the_verdict_and_a_doubt_alone_does_not() -> None:
    limited = a_request(parse_constraint("ttft p95 <= 20ms"))
    (failing,) = standings(limited, PLAN, [trial(BASE, 100)])
    assert failing.verdict is Verdict.FAIL
    busy = replace(trial(BASE, 100), foreign_cpu_share=0.5)
    (found,) = standings(a_request(), PLAN, [busy])
    assert (found.verdict, found.doubted) == (Verdict.PASS, True)
    (found,) = standings(limited, PLAN, [busy])
    assert found.verdict is Verdict.UNRESOLVED


def test_a_trial_that_ended_early_is_incomplete_until_a_whole_one_replaces_it() -> None:
    early = replace(trial(INT8, 150), cut=EARLY)
    found = standings(a_request(), PLAN, [trial(BASE, 100), early])
    assert {s.variant: s.complete for s in found} == {BASE: True, INT8: False}
    whole = replace(trial(INT8, 200), repeat=1, trial_id="again")
    (best, _) = standings(a_request(), PLAN, [trial(BASE, 100), early, whole])
    assert (best.complete, best.launches) == (True, 1)
    assert best.score == pytest.approx(math.log(200))


def test_what_did_not_finish_has_no_standing() -> None:
    dead = a_trial(INT8, cause=Cause.OUT_OF_MEMORY)
    assert [s.variant for s in standings(a_request(), PLAN, [trial(BASE, 100), dead])] == [BASE]


def predicted(variant: Variant, rate: float, *, factor: float) -> Predicted:
    band = Interval(lo=rate / factor, hi=rate * factor)
    metric = PredictedMetric(value=rate, unit="tokens/s", band90=band)
    return Predicted(
        variant_id=variant.id, metrics={"output_tokens_per_s": metric}, requests_at_most=8
    )


def test_predictions_become_outlooks_on_the_objective() -> None:
    plan = replace(
        PLAN, predictions=(predicted(BASE, 100, factor=1.5), predicted(INT8, 250, factor=2.0))
    )
    found = {o.variant_id: o for o in outlooks(a_request(), plan)}
    assert found[INT8.id].score == pytest.approx(math.log(250))
    assert found[INT8.id].sd == pytest.approx(math.log(2) / 1.645)
    assert outlooks(a_request(priority=Priority.COST), plan) == (), "no cost was predicted"
    assert outlooks(a_request(), PLAN) == ()


def test_a_balanced_outlook_is_relative_to_the_predicted_baseline() -> None:
    plan = replace(
        PLAN, predictions=(predicted(BASE, 100, factor=1.5), predicted(INT8, 250, factor=2.0))
    )
    found = {o.variant_id: o for o in outlooks(a_request(priority=Priority.BALANCED), plan)}
    assert found[INT8.id].score == pytest.approx(math.log(2.5))


def test_a_score_is_shown_as_the_objective_in_its_unit() -> None:
    assert scale(a_request()).text(math.log(1234.4)) == "1,234 tokens/s"
    assert scale(a_request(priority=Priority.COST)).value(-math.log(0.25)) == pytest.approx(0.25)
    assert scale(a_request()).score(0.0) is None


def test_metrics_without_a_value_have_no_score() -> None:
    silent = a_trial(BASE, {"output_tokens_per_s": Metric(value=0, unit="", ci95=None, n=0)})
    (found,) = standings(a_request(), PLAN, [silent])
    assert found.score is None
