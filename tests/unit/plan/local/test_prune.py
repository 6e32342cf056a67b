from dataclasses import replace

from paceline.plan.local.prune import pruned
from paceline.records.measurement import Interval
from paceline.records.plan import Predicted, PredictedMetric
from paceline.records.request import Priority
from paceline.records.variant import RejectionReason, Variant
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_request, a_variant

BASE, FAST, SLOW, SILENT = (a_variant("e", name) for name in ("bf16", "int8", "int4", "q8_0"))


def said(variant: Variant, low: float, value: float, high: float) -> Predicted:
    return Predicted(
        variant_id=variant.id,
        metrics={
            "output_tokens_per_s": PredictedMetric(
                value=value, unit="tokens/s", band90=Interval(lo=low, hi=high)
            ),
            "tpot_mean_ms": PredictedMetric(
                value=8000 / value, unit="ms", band90=Interval(lo=8000 / high, hi=8000 / low)
            ),
        },
        requests_at_most=8,
    )


PREDICTIONS = (said(BASE, 40, 50, 60), said(FAST, 200, 300, 400), said(SLOW, 90, 100, 110))
ALL = (BASE, FAST, SLOW, SILENT)


def test_only_what_loses_at_its_best_is_left_out_and_never_the_baseline() -> None:
    (ground,) = pruned(a_request(priority=Priority.THROUGHPUT), ALL, PREDICTIONS)
    assert ground.variant == SLOW
    assert ground.reason is RejectionReason.PREDICTED
    assert ground.have == "100 tokens/s [90 – 110]"
    assert ground.need == "300 tokens/s [200 – 400]"
    assert "110" in ground.detail
    assert "200" in ground.detail


def test_bands_that_touch_leave_nobody_out() -> None:
    close = (PREDICTIONS[0], said(FAST, 105, 300, 400), PREDICTIONS[2])
    assert pruned(a_request(priority=Priority.THROUGHPUT), ALL, close) == ()


def test_a_limit_out_of_reach_is_a_reason_of_its_own() -> None:
    request = a_request(parse_constraint("tpot mean <= 50ms"), priority=Priority.BALANCED)
    (ground,) = pruned(request, ALL, PREDICTIONS)
    assert (ground.variant, ground.reason) == (SLOW, RejectionReason.CONSTRAINT)
    assert ground.need == "<= 50 ms"


def test_where_quality_decides_nobody_loses_beforehand() -> None:
    for priority in (Priority.BALANCED, Priority.QUALITY):
        assert pruned(a_request(priority=priority), ALL, PREDICTIONS) == ()
    limited = a_request(parse_constraint("quality >= 0.9"), priority=Priority.THROUGHPUT)
    assert pruned(limited, ALL, PREDICTIONS) == (), "the fast one may fail on quality"


def test_the_one_to_beat_must_surely_meet_the_limits() -> None:
    request = a_request(parse_constraint("tpot mean <= 30ms"), priority=Priority.THROUGHPUT)
    doubtful = replace(PREDICTIONS[1], metrics=said(FAST, 200, 250, 400).metrics)
    grounds = pruned(request, (BASE, FAST), (PREDICTIONS[0], doubtful))
    assert grounds == ()
