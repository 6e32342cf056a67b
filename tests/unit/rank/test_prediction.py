from dataclasses import replace
from typing import Any

import pytest

from paceline.rank.prediction import is_sound, scores, summaries
from paceline.records.measurement import Interval
from paceline.records.plan import Plan, Predicted, PredictedMetric
from paceline.records.telemetry import DeviceProcess
from paceline.records.trial import Cut
from paceline.testing.builders import a_metric, a_trial, a_variant

BASE, OTHER = a_variant("e", "bf16"), a_variant("e", "int8")


def a_plan(value: float = 100.0, low: float = 80.0, high: float = 130.0) -> Plan:
    metric = PredictedMetric(value=value, unit="tokens/s", band90=Interval(lo=low, hi=high))
    said = Predicted(
        variant_id=BASE.id, metrics={"output_tokens_per_s": metric}, requests_at_most=8
    )
    return Plan(baseline=BASE, variants=(BASE, OTHER), rejected=(), predictions=(said,))


def test_each_trial_of_a_predicted_variant_is_scored() -> None:
    trials = [
        a_trial(BASE, {"output_tokens_per_s": a_metric(125.0, "tokens/s")}),
        a_trial(BASE, {"output_tokens_per_s": a_metric(200.0, "tokens/s")}, repeat=1),
        a_trial(OTHER, {"output_tokens_per_s": a_metric(10.0, "tokens/s")}),
        a_trial(BASE, {}, repeat=2),
    ]
    found = scores(a_plan(), trials)
    assert [(score.measured, score.inside) for score in found] == [(125.0, True), (200.0, False)]
    assert found[0].error == pytest.approx(100 / 125 - 1)
    (summary,) = summaries(found)
    assert summary.trials == 2
    assert summary.inside_share == 0.5
    assert summary.median_error == pytest.approx((0.2 + 0.5) / 2)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"strangers": (DeviceProcess(device="gpu0", pid=7, ours=False),)},
        {"foreign_cpu_share": 0.5},
        {"steady": False},
        {"cut": Cut(share=0.2, because="the budget was spent")},
    ],
)
def test_a_trial_that_was_disturbed_judges_no_prediction(spoilt: dict[str, Any]) -> None:
    trial = a_trial(BASE, {"output_tokens_per_s": a_metric(125.0, "tokens/s")})
    assert is_sound(trial)
    assert not is_sound(replace(trial, **spoilt))


def test_a_run_without_predictions_has_no_scores() -> None:
    plan = Plan(baseline=BASE, variants=(BASE,), rejected=())
    trials = [a_trial(BASE, {"output_tokens_per_s": a_metric(125.0, "tokens/s")})]
    assert scores(plan, trials) == scores(None, trials) == ()
    assert summaries(()) == ()
