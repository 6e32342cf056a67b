"""The table of a run: guesses have a column when something guessed."""

from dataclasses import replace

import pytest

from paceline.cli.show import print_run
from paceline.rank import rank
from paceline.records.plan import Plan
from paceline.records.run import RunRecord, RunState
from paceline.records.speculation import SpeculationCounts
from paceline.records.trial import Cut
from paceline.records.variant import Variant
from paceline.testing.builders import a_metric, a_model, a_request, a_trial, a_variant
from paceline.trial.speculation import speculation_metrics

PLAIN = a_variant("llamacpp", "gguf-q8_0")
GUESSING = replace(PLAIN, speculation="ngram")


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def shown(
    capsys: pytest.CaptureFixture[str],
    *variants: Variant,
    tied_with: tuple[str, ...] = (),
    ended_early: tuple[Variant, ...] = (),
    every: bool = False,
    contended: float | None = None,
    state: RunState = RunState.FINISHED,
) -> str:
    counts = SpeculationCounts(drafts=100, drafted=800, accepted=200, generated=1000)
    trials = [
        replace(
            a_trial(
                variant,
                {
                    "output_tokens_per_s": a_metric(100 / (1 + index / 4), "tokens/s", spread=0.01),
                    "tpot_mean_ms": a_metric(10.0 + index),
                    **speculation_metrics(counts if variant.speculation else None),
                },
            ),
            cut=Cut(share=0.25, because="out of the race") if variant in ended_early else None,
            foreign_cpu_share=contended,
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
        state=state,
    )
    ranking = replace(ranking, tied_with=tied_with or ranking.tied_with)
    print_run(run, ranking, None, trials, every=every)
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


def test_a_run_that_has_not_ended_has_no_winner_yet(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, PLAIN, state=RunState.CANCELLED)
    assert "best so far: llamacpp gguf-q8_0" in text
    assert "winner" not in text


def test_where_no_load_can_be_trusted_nothing_is_called_a_tie(
    capsys: pytest.CaptureFixture[str],
) -> None:
    others = tuple(replace(PLAIN, knobs=(("slots", slots),)) for slots in (8, 16))
    text = shown(capsys, PLAIN, *others, contended=0.35)
    assert "tied with" not in text
    assert "winner: llamacpp gguf-q8_0, for want of a better reason" in text
    assert "no load of the 3 variants can be trusted" in text
    assert "35% of the cores, more than 10%" in text
    assert "on a quiet machine" in text


def test_those_that_were_ended_early_are_counted_with_how_to_see_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    early = tuple(replace(PLAIN, knobs=(("slots", slots),)) for slots in range(3, 33))
    rival = a_variant("llamacpp", "gguf-q4_0")
    few = shown(capsys, PLAIN, rival, *early, ended_early=early)
    assert "slots=" not in few.partition("order:")[0]
    assert rival.label in few
    assert "and 30 ended early: paceline runs show r --all" in few
    every = shown(capsys, PLAIN, rival, *early, ended_early=early, every=True)
    assert all(variant.label in every for variant in early)
    assert "ended early" not in every


def test_a_sentence_is_folded_for_a_narrow_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown(capsys, PLAIN)
    (order,) = [line for line in whole.splitlines() if line.startswith("order:")]
    monkeypatch.setenv("COLUMNS", "40")
    narrow = shown(capsys, PLAIN).splitlines()
    assert all(len(line) <= 40 for line in narrow)
    assert order in " ".join(line.strip() for line in narrow)


def test_a_run_without_a_trial_says_so_and_names_no_winner(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys)
    assert "nothing was measured to its end" in text
    assert "winner" not in text
