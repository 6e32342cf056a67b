"""Everything predicted: counts add up, nothing is dropped that could pass or win."""

from datetime import date

import numpy as np
import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import known_shapes
from paceline.plan.predict.deployment import Array
from paceline.plan.survey.advice import advice
from paceline.plan.survey.choose import axes_of
from paceline.plan.survey.field import Survey, survey
from paceline.plan.survey.pricing import Quotes, quotes
from paceline.plan.survey.shown import best_of_each_device, candidates, leaders
from paceline.plan.survey.space import variant_of
from paceline.records.measurement import Verdict
from paceline.records.request import Priority, Request
from paceline.records.variant import RejectionReason
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_request

SHAPE = known_shapes()["meta-llama/Llama-3.3-70B-Instruct"]
TODAY = date(2026, 11, 21)
PRICES: Quotes = quotes(tables.prices(), TODAY)
DEVICES = ("h100-sxm", "l40s", "a100-sxm-80gb", "apple-m1-8gb", "mi355x")


def a_survey(
    *limits: str,
    priority: Priority = Priority.COST,
    hardware: tuple[str, ...] = DEVICES,
    formats: tuple[str, ...] = ("bf16", "fp8", "awq"),
) -> tuple[Survey, Request]:
    request = a_request(*(parse_constraint(text) for text in limits), priority=priority)
    axes = axes_of(SHAPE, hardware=hardware, formats=formats, engines=("vllm", "sglang"))
    return survey(axes, request, PRICES), request


@pytest.mark.parametrize("limits", [(), ("ttft p95 <= 2s", "tpot mean <= 40ms")])
def test_counts_add_up(limits: tuple[str, ...]) -> None:
    found, _ = a_survey(*limits)
    rejected = sum(tally.count for tally in found.rejected)
    assert rejected + len(found.field.order) == found.considered
    assert sorted(found.field.order) == list(range(len(found.field.rows)))


def test_a_limit_rejects_only_what_misses_it_at_its_best() -> None:
    found, request = a_survey("tpot mean <= 30ms")
    free, _ = a_survey()
    limit = request.constraints[0].limit
    kept = found.field.now["tpot_mean_ms"]
    assert (kept.low <= limit).all()
    assert (kept.value > limit).any(), "a value beyond the limit stays while its band reaches it"
    (tally,) = [t for t in found.rejected if t.example.reason is RejectionReason.CONSTRAINT]
    assert tally.count == int((free.field.now["tpot_mean_ms"].low > limit).sum())
    assert tally.example.have
    assert tally.example.need == "<= 30 ms"


def test_what_misses_by_value_ranks_behind_what_meets_the_limit() -> None:
    found, _ = a_survey("tpot mean <= 30ms")
    missed = found.field.missed[found.field.order]
    assert missed[0] == 0
    assert (np.diff(missed) >= 0).all()


def test_too_large_is_rejected_with_both_numbers_of_the_nearest_miss() -> None:
    found, _ = a_survey(formats=("bf16",), hardware=("h100-sxm",))
    (tally,) = [t for t in found.rejected if t.example.reason is RejectionReason.DOES_NOT_FIT]
    have, need = tally.example.have, tally.example.need
    assert have is not None
    assert need is not None
    assert float(need.split()[0]) > float(have.split()[0]) > 70


def test_the_best_could_win_and_losers_are_behind_it_even_at_their_best() -> None:
    found, _ = a_survey()
    could = found.field.could_win()
    best = found.field.order[0]
    assert could[best]
    assert (~could).any()
    assert (found.field.gain.high[~could] < found.field.gain.low[best]).all()


def test_without_a_price_cost_is_unknown_and_ranks_last() -> None:
    found, request = a_survey(hardware=("h100-sxm", "mi355x"))
    assert "MI355X-288GB" not in PRICES
    unpriced = np.isnan(found.field.usd_per_hour[found.field.order])
    assert unpriced.any()
    assert (np.diff(unpriced.astype(int)) >= 0).all()
    last = found.field.order[-1:]
    (shown,) = candidates(found, request, PRICES, last)
    assert shown.quote is None
    assert shown.highest.usd_per_mtok is None
    assert shown.could_win, "nobody knows that it loses"


def test_the_highest_load_meets_the_limit_and_more_does_not() -> None:
    found, request = a_survey("tpot mean <= 40ms")
    chosen = leaders(found.field)[:5]
    for shown in candidates(found, request, PRICES, chosen):
        assert shown.highest.in_flight >= request.workload.concurrency
    tight, asked = a_survey("tpot mean <= 25ms")
    (best,) = candidates(found, request, PRICES, chosen[:1])
    rows = [
        variant_of(tight.field.axes, tight.field.rows, at) for at in range(len(tight.field.rows))
    ]
    same = np.array([rows.index(best.variant)])
    (limited,) = candidates(tight, asked, PRICES, same)
    assert limited.highest.in_flight < best.highest.in_flight


def test_verdicts_have_three_values() -> None:
    found, request = a_survey("tpot mean <= 40ms", "quality >= 0.9", "output_tokens_per_s >= 5")
    (shown,) = candidates(found, request, PRICES, leaders(found.field)[:1])
    verdicts = {v.constraint.metric: v for v in shown.verdicts}
    assert verdicts["output_tokens_per_s"].verdict is Verdict.PASS
    assert verdicts["quality"].verdict is Verdict.UNRESOLVED
    assert verdicts["quality"].value is None
    assert found.unpredicted == ("quality >= 0.9",)
    assert verdicts["tpot"].margin == pytest.approx(1 - (verdicts["tpot"].value or 0) / 40)


def test_each_accelerator_shows_its_best() -> None:
    found, request = a_survey()
    shown = candidates(found, request, PRICES, best_of_each_device(found.field))
    names = [one.variant.accelerator for one in shown]
    assert len(names) == len(set(names)) == 4  # the small Apple holds nothing
    assert [one.rank for one in shown] == sorted(one.rank for one in shown)
    assert shown[0].rank == 1


@pytest.mark.parametrize("priority", list(Priority))
def test_every_priority_orders_and_says_how(priority: Priority) -> None:
    found, _ = a_survey(priority=priority)
    assert found.formula.startswith(priority.value)
    worth: Array = found.field.gain.value[found.field.order]
    known = worth[np.isfinite(worth)]
    assert (np.diff(known) <= 1e-12).all()


def test_advice_answers_the_tree_with_figures_of_the_survey() -> None:
    found, request = a_survey()
    answers = {answer.topic: answer.text for answer in advice(found, request, PRICES)}
    assert list(answers) == ["size", "latency", "budget", "precision", "market", "recommendation"]
    assert "70.6B parameters: in 16 bit its weights are 131 GiB" in answers["size"]
    best = variant_of(found.field.axes, found.field.rows, int(found.field.order[0]))
    assert f"{best.count} x {best.accelerator}" in answers["recommendation"]


def test_where_nothing_fits_there_is_no_advice_but_every_reason() -> None:
    found, request = a_survey(hardware=("t4",), formats=("fp16",))
    small, _ = a_survey(hardware=("apple-m1-8gb",))
    assert advice(small, request, PRICES) == ()
    assert sum(tally.count for tally in small.rejected) == small.considered
    assert found.considered > 0


def test_predicted_figures_lie_inside_their_bands() -> None:
    found, _ = a_survey("ttft p95 <= 60s")
    for band in found.field.now.values():
        known = np.isfinite(band.value)
        assert (band.low[known] <= band.value[known] * (1 + 1e-9)).all()
        assert (band.value[known] <= band.high[known] * (1 + 1e-9)).all()
