"""The table of a run: guesses have a column when something guessed."""

from dataclasses import replace

import pytest

from paceline.cli.show import print_run
from paceline.rank import rank
from paceline.records.plan import Plan
from paceline.records.run import RunRecord
from paceline.records.speculation import SpeculationCounts
from paceline.records.variant import Variant
from paceline.testing.builders import a_metric, a_model, a_request, a_trial, a_variant
from paceline.trial.speculation import speculation_metrics

PLAIN = a_variant("llamacpp", "gguf-q8_0")
GUESSING = replace(PLAIN, speculation="ngram")


def shown(
    capsys: pytest.CaptureFixture[str], *variants: Variant, tied_with: tuple[str, ...] = ()
) -> str:
    counts = SpeculationCounts(drafts=100, drafted=800, accepted=200, generated=1000)
    trials = [
        a_trial(
            variant,
            {
                "output_tokens_per_s": a_metric(100.0 - 20 * index, "tokens/s", spread=0.01),
                "tpot_mean_ms": a_metric(10.0 + index),
                **speculation_metrics(counts if variant.speculation else None),
            },
        )
        for index, variant in enumerate(variants)
    ]
    request = a_request()
    ranking = rank(request, Plan(baseline=PLAIN, variants=variants, rejected=()), trials)
    run = RunRecord(
        run_id="r",
        request=request,
        model=a_model(),
        software_version="0",
        created_at_utc="2026-01-01T00:00:00+00:00",
        plan=None,
    )
    print_run(run, replace(ranking, tied_with=tied_with), None)
    return capsys.readouterr().out


def test_acceptance_is_shown_and_why_the_guesses_are_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, PLAIN, GUESSING)
    assert "guesses" in text
    assert "25%" in text
    assert "kept out: llamacpp gguf-q8_0, ngram: 80 tokens/s against 100 without: worse" in text


def test_without_guesses_there_is_no_such_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert "guesses" not in shown(capsys, PLAIN)


def test_those_tied_are_told_apart_where_their_knobs_have_commas(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = (replace(PLAIN, knobs=(("slots", slots),)) for slots in (8, 16))
    text = shown(capsys, PLAIN, first, second, tied_with=(first.id, second.id))
    assert "tied with llamacpp gguf-q8_0, slots=8; llamacpp gguf-q8_0, slots=16" in text
