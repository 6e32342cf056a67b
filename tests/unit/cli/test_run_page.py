"""The page of a run: everything that was decided, self-contained, safe against odd names."""

import builtins
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from paceline.cli.run_charts import (
    COST,
    THROUGHPUT,
    TTFT,
    predicted_against_measured,
    timeline,
    trade_off,
)
from paceline.cli.run_figures import verdict_text
from paceline.cli.run_page import run_page
from paceline.rank import rank
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.plan import Plan, Predicted, PredictedMetric
from paceline.records.ranking import Ranking
from paceline.records.run import RunState
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_request, a_trial, a_variant
from paceline.testing.stores import a_run

SLOW = a_variant()
FAST = a_variant("fake", "int8")
LATE = a_variant("fake", "int4")
ODD = '<b>"odd"</b>'
CONSTRAINT = parse_constraint("ttft p95 <= 60ms")


def figures(tokens_per_s: float, ttft_ms: float, usd: float) -> dict[str, Metric]:
    return {
        "output_tokens_per_s": a_metric(tokens_per_s, "tokens/s", spread=0.02),
        "ttft_p95_ms": a_metric(ttft_ms, spread=0.05),
        "cost_usd_per_mtok": a_metric(usd, "usd/mtok"),
    }


TRIALS = (
    a_trial(SLOW, figures(100, 40, 0.3)),
    a_trial(FAST, figures(200, 30, 0.15)),
    a_trial(LATE, figures(300, 90, 0.1)),
    a_trial(a_variant("fake", "gptq"), cause=Cause.CRASHED),
)
PLAN = Plan(
    baseline=SLOW,
    variants=(SLOW, FAST, LATE),
    rejected=tuple(
        Rejection(
            variant=a_variant("fake", "fp8", knobs=(("tokens", tokens),)),
            reason=RejectionReason.UNSUPPORTED,
            detail=ODD,
            have="8.0",
            need="8.9",
        )
        for tokens in range(6)
    ),
)


def ranking_of(trials: tuple[TrialRecord, ...] = TRIALS) -> Ranking:
    return rank(a_request(CONSTRAINT), PLAN, trials)


def page(plan: Plan = PLAN, trials: tuple[TrialRecord, ...] = TRIALS) -> str:
    run = replace(a_run(), request=a_request(CONSTRAINT), plan=plan, state=RunState.FINISHED)
    return run_page(run, ranking_of(trials), trials)


def guess(variant: Variant, value: float) -> Predicted:
    metric = PredictedMetric(
        value=value, unit="tokens/s", band90=Interval(lo=value / 2, hi=value * 2)
    )
    metrics: Mapping[str, PredictedMetric] = {"output_tokens_per_s": metric}
    return Predicted(variant_id=variant.id, metrics=metrics, requests_at_most=8)


def test_it_tells_the_whole_run_and_needs_nothing_else() -> None:
    text = page(replace(PLAN, predictions=(guess(SLOW, 120.0),)))
    for title in ("Ranking", "Trade-offs", "Predictions", "Left out", "Trials"):
        assert f"<h2>{title}</h2>" in text
    assert "Winner: fake int8" in text
    assert "fail: ttft p95 &lt;= 60ms" in text
    assert "200\n± 2.0%" in text
    assert text.count('<svg viewBox="0 0 360 210"') == 3
    assert "<script" not in text
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_notes_name_variants_as_the_table_does() -> None:
    level = tuple(a_trial(variant, figures(100, 40, 0.3)) for variant in (SLOW, FAST))
    notes = " ".join(note for r in ranking_of(level).ranked for note in r.notes)
    assert any(variant.id in notes for variant in (SLOW, FAST)), "the receipt has the ids"
    text = page(trials=level)
    assert "level with fake" in text
    assert not any(variant.id in text for variant in (SLOW, FAST))


def test_names_from_outside_stay_text() -> None:
    assert ODD not in page()
    assert "&lt;b&gt;&quot;odd&quot;&lt;/b&gt;" in page()


def started(trial: TrialRecord, at: str, *, origin: str | None = None) -> TrialRecord:
    provenance = replace(trial.provenance, started_at_utc=at)
    return replace(trial, provenance=provenance, origin=origin, wall_s=10.0)


def test_trials_of_an_earlier_run_are_named_beside_the_time_axis() -> None:
    carried = started(TRIALS[0], "2026-01-01T09:00:00+00:00", origin="20260101-090000-aaaa")
    own = [
        started(TRIALS[1], "2026-01-02T09:00:00+00:00"),
        started(TRIALS[2], "2026-01-02T09:00:10+00:00"),
    ]
    drawn = timeline([carried, *own])
    assert timeline(own) in drawn, "bars of this run as wide as without what was taken over"
    assert "1 taken over from 20260101-090000-aaaa" in drawn
    assert SLOW.label in drawn
    assert "taken over" not in timeline(own)


def test_where_every_trial_was_taken_over_none_is_drawn() -> None:
    carried = [started(trial, "2026-01-01T09:00:00+00:00", origin="aaaa") for trial in TRIALS[:2]]
    assert "2 taken over from aaaa" in timeline(carried)
    assert "<svg" not in timeline(carried)


def test_variants_left_out_for_the_same_reason_share_a_line() -> None:
    text = page()
    assert text.count("&lt;b&gt;&quot;odd") == 1
    assert "<td>6</td>" in text


def test_a_run_that_measured_nothing_yet_says_so() -> None:
    text = page(trials=())
    assert "Nothing was measured yet." in text
    assert "<h2>Ranking</h2>" not in text


def test_one_variant_is_no_trade_off() -> None:
    assert trade_off(ranking_of(TRIALS[:1]), TTFT, THROUGHPUT) == ""
    assert trade_off(ranking_of(), COST, TTFT).startswith("<svg")


def test_a_figure_below_zero_or_zero_is_drawn_on_a_plain_scale() -> None:
    trials = (a_trial(SLOW, figures(0, 40, 0.3)), a_trial(FAST, figures(200, 1, 0.3)))
    assert "nan" not in trade_off(ranking_of(trials), TTFT, THROUGHPUT)


def test_without_predictions_nothing_is_compared() -> None:
    assert predicted_against_measured((), ranking_of(), THROUGHPUT) == ""
    assert predicted_against_measured((guess(SLOW, 90.0),), ranking_of(), TTFT) == ""


def test_the_same_run_draws_the_same_page() -> None:
    assert page() == page()


def test_it_is_drawn_by_what_the_core_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "<h2>Trade-offs</h2>" in page()


def test_limits_of_one_verdict_are_named_together() -> None:
    limits = [parse_constraint(text) for text in ("ttft p95 <= 1ms", "output_tokens_per_s >= 500")]
    found = rank(a_request(*limits), PLAN, TRIALS).ranked[0]
    assert verdict_text(found) == "fail: ttft p95 <= 1ms, output_tokens_per_s >= 500 tokens/s"
    assert verdict_text(replace(found, verdicts=())) == "–"
