"""A second measurement against a receipt: what agrees, what differs, what stays open."""

from dataclasses import replace

import pytest

from paceline.rank import rank
from paceline.rank.again import figures_again, order_again
from paceline.records.plan import Plan
from paceline.records.receipt import Agreement, Receipt
from paceline.records.trial import TrialRecord
from paceline.testing.builders import a_host, a_metric, a_model, a_request, a_trial, a_variant

BASE, WINNER = a_variant(format_="bf16"), a_variant(format_="int8")
TOKENS = "output_tokens_per_s"


def trials(base: float, winner: float, *, spread: float = 0.02) -> list[TrialRecord]:
    return [
        a_trial(variant, {TOKENS: a_metric(value, "tokens/s", spread=spread)})
        for variant, value in ((BASE, base), (WINNER, winner))
    ]


def receipt(base: float = 100.0, winner: float = 200.0) -> Receipt:
    plan, measured = Plan(baseline=BASE, variants=(BASE, WINNER), rejected=()), trials(base, winner)
    return Receipt(
        run_id="r1",
        created_at_utc="2026-01-01T00:00:00+00:00",
        software={},
        request=a_request(),
        model=a_model(),
        host=a_host(),
        accelerators=(),
        prices=(),
        formulas={},
        suite=None,
        plan=plan,
        trials=tuple(measured),
        ranking=rank(a_request(), plan, measured),
    )


@pytest.mark.parametrize(
    ("now", "agreement"),
    [
        (203.0, Agreement.AGREES),  # intervals of ±2 % meet
        (212.0, Agreement.DIFFERS),
        (190.0, Agreement.DIFFERS),
    ],
)
def test_a_figure_differs_when_its_intervals_do_not_meet(now: float, agreement: Agreement) -> None:
    (figure,) = figures_again(receipt(), trials(100.0, now), [WINNER])
    assert (figure.name, figure.agreement) == (TOKENS, agreement)
    assert figure.found is not None
    assert figure.found.value == now


def test_without_an_interval_or_under_doubt_a_figure_stays_open() -> None:
    bare = [a_trial(WINNER, {TOKENS: replace(a_metric(900.0, "tokens/s"), ci95=None)})]
    drifting = [replace(trial, steady=False) for trial in trials(100.0, 900.0)]
    for again in (bare, drifting, []):
        (figure,) = figures_again(receipt(), again, [WINNER])
        assert figure.agreement is Agreement.OPEN
        assert figure.because


@pytest.mark.parametrize(
    ("base", "winner", "order"),
    [
        (100.0, 150.0, Agreement.AGREES),
        (100.0, 101.0, Agreement.OPEN),
        (100.0, 80.0, Agreement.DIFFERS),
    ],
)
def test_the_winner_must_be_ahead_again(base: float, winner: float, order: Agreement) -> None:
    found, because = order_again(receipt(), trials(base, winner), WINNER)
    assert found is order
    assert f"{winner:,.4g} tokens/s" in because


def test_who_was_level_may_be_level_again() -> None:
    found, _ = order_again(receipt(100.0, 101.0), trials(100.0, 99.5), WINNER)
    assert found is Agreement.AGREES


def test_a_baseline_that_wins_has_no_order_to_check() -> None:
    assert order_again(receipt(), [], BASE)[0] is Agreement.AGREES


def test_what_did_not_finish_leaves_the_order_open() -> None:
    found, because = order_again(receipt(), trials(100.0, 200.0)[:1], WINNER)
    assert (found, because) == (Agreement.OPEN, "one of the two did not finish")
