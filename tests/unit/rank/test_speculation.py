"""A variant that guesses ahead is compared with itself; what does not pay says what would."""

from dataclasses import replace

import pytest

from paceline.rank import rank
from paceline.rank.speculation import break_even_acceptance
from paceline.records.measurement import Metric
from paceline.records.metric_names import SPECULATION_ACCEPTANCE, SPECULATION_DRAFT_RATIO
from paceline.records.plan import Plan
from paceline.records.ranking import Ranked, Ranking
from paceline.records.request import Priority
from paceline.records.speculation import SpeculationCounts
from paceline.records.trial import Cut, TrialRecord
from paceline.records.variant import RejectionReason
from paceline.testing.builders import a_metric, a_request, a_trial, a_variant
from paceline.trial.speculation import speculation_metrics

PLAIN = a_variant("llamacpp", "gguf-q8_0")
GUESSING = replace(PLAIN, speculation="ngram")
PLAN = Plan(baseline=PLAIN, variants=(PLAIN, GUESSING), rejected=())
COUNTS = SpeculationCounts(drafts=100, drafted=800, accepted=200, generated=1000)


def trial_of(
    tokens_per_s: float, *, tpot_ms: float, ttft_ms: float, counts: SpeculationCounts | None = None
) -> TrialRecord:
    metrics = {
        "output_tokens_per_s": a_metric(tokens_per_s, "tokens/s", spread=0.02),
        "tpot_mean_ms": a_metric(tpot_ms),
        "ttft_mean_ms": a_metric(ttft_ms),
        **speculation_metrics(counts),
    }
    return a_trial(PLAIN if counts is None else GUESSING, metrics)


def ranked(*trials: TrialRecord, priority: Priority = Priority.THROUGHPUT) -> Ranking:
    return rank(a_request(priority=priority), PLAN, trials)


def guesser(ranking: Ranking) -> Ranked:
    return next(r for r in ranking.ranked if r.variant == GUESSING)


def test_what_is_faster_stays_and_shows_its_acceptance() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(130, tpot_ms=8, ttft_ms=52, counts=COUNTS),
    )
    assert ranking.winner == GUESSING.id
    assert guesser(ranking).metrics[SPECULATION_ACCEPTANCE].value == pytest.approx(0.25)
    assert "25% of guesses right" in guesser(ranking).chips
    assert guesser(ranking).notes[-1].startswith("25% of 800 guesses were right")
    assert ranking.rejected == ()


def test_what_is_slower_is_kept_out_with_acceptance_break_even_and_ttft_cost() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(90, tpot_ms=11, ttft_ms=55, counts=COUNTS),
    )
    (rejection,) = ranking.rejected
    assert ranking.winner == PLAIN.id
    assert guesser(ranking).rank is None
    assert rejection.reason is RejectionReason.SPECULATION_DOES_NOT_PAY
    # 0.25 + (1.1 − 1) · 1000 ÷ 800
    assert (rejection.have, rejection.need) == ("25% accepted", "38% accepted")
    assert "90 tokens/s against 100 without: worse" in rejection.detail
    assert "25% of 800 guesses were right, 3.00 tokens per check" in rejection.detail
    assert "it pays from 38% on" in rejection.detail
    assert "mean TTFT +5 ms (+10%)" in rejection.detail
    assert any("kept out" in note for note in guesser(ranking).notes)


def test_a_tie_does_not_pay() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(101, tpot_ms=9.9, ttft_ms=50, counts=COUNTS),
    )
    assert guesser(ranking).rank is None
    assert "not better beyond the noise" in ranking.rejected[0].detail


def test_guesses_too_dear_for_any_acceptance_are_called_so() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(50, tpot_ms=20, ttft_ms=50, counts=COUNTS),
    )
    assert "no acceptance would make it pay" in ranking.rejected[0].detail


def test_an_engine_that_never_guessed_is_told_apart() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(
            99,
            tpot_ms=10,
            ttft_ms=50,
            counts=SpeculationCounts(drafts=0, drafted=0, accepted=0, generated=1000),
        ),
    )
    assert "nothing was ever guessed" in ranking.rejected[0].detail
    assert ranking.rejected[0].need is None


def test_nothing_is_decided_while_a_load_cannot_be_trusted() -> None:
    plain = trial_of(100, tpot_ms=10, ttft_ms=50)
    contended = replace(trial_of(50, tpot_ms=20, ttft_ms=50, counts=COUNTS), foreign_cpu_share=0.5)
    ranking = ranked(plain, contended)
    assert ranking.rejected == ()
    assert guesser(ranking).rank == 2
    assert any("no acceptance would make it pay" in note for note in guesser(ranking).notes)


def test_nothing_is_decided_where_the_noise_is_unknown() -> None:
    slow = trial_of(50, tpot_ms=20, ttft_ms=50, counts=COUNTS)
    rate = replace(slow.metrics["output_tokens_per_s"], ci95=None)
    unknown = replace(slow, metrics={**slow.metrics, "output_tokens_per_s": rate})
    ranking = ranked(trial_of(100, tpot_ms=10, ttft_ms=50), unknown)
    assert ranking.rejected == ()


def short(trial: TrialRecord, *, requests: int) -> TrialRecord:
    """Ended at its first rung: no interval, and asked nothing."""
    rate = replace(trial.metrics["output_tokens_per_s"], ci95=None, n=requests)
    cut = Cut(share=0.17, because="out of the race")
    return replace(trial, cut=cut, metrics={**trial.metrics, "output_tokens_per_s": rate})


@pytest.mark.parametrize("priority", [Priority.BALANCED, Priority.THROUGHPUT])
def test_a_first_rung_is_enough_where_the_loss_is_larger_than_what_its_edges_hide(
    priority: Priority,
) -> None:
    """60 requests, 8 of them in flight: 13 % to either side."""
    plain = trial_of(100, tpot_ms=10, ttft_ms=50)
    slow = short(trial_of(70, tpot_ms=15, ttft_ms=50, counts=COUNTS), requests=60)
    assert "70 output_tokens_per_s against 100 without: worse" in (
        ranked(plain, slow, priority=priority).rejected[0].detail
    )
    nearly = short(trial_of(95, tpot_ms=10, ttft_ms=50, counts=COUNTS), requests=60)
    assert ranked(plain, nearly, priority=priority).rejected == ()


def test_nothing_is_decided_without_the_plain_twin() -> None:
    ranking = ranked(trial_of(50, tpot_ms=20, ttft_ms=50, counts=COUNTS))
    assert guesser(ranking).rank == 1


def test_for_quality_speed_decides_because_guesses_do_not_change_answers() -> None:
    ranking = ranked(
        trial_of(100, tpot_ms=10, ttft_ms=50),
        trial_of(90, tpot_ms=11, ttft_ms=50, counts=COUNTS),
        priority=Priority.QUALITY,
    )
    assert "output_tokens_per_s" in ranking.rejected[0].detail


@pytest.mark.parametrize("acceptance", [0.1, 0.3, 0.6])
def test_at_the_break_even_a_simulated_engine_is_as_fast_as_without(acceptance: float) -> None:
    """One pass with a draft of 8 costs 1.5 plain ones: whatever was measured, 1/16 is enough."""
    passes, per_pass, cost = 1000.0, 8.0, 1.5
    drafted = passes * per_pass
    accepted = acceptance * drafted
    generated = passes + accepted
    counts = SpeculationCounts(
        drafts=passes, drafted=drafted, accepted=accepted, generated=generated
    )
    own = {**speculation_metrics(counts), "tpot_mean_ms": a_metric(10 * cost * passes / generated)}
    even = break_even_acceptance(own, {"tpot_mean_ms": a_metric(10.0)})
    assert even == pytest.approx((cost - 1) / per_pass)


@pytest.mark.parametrize("missing", [SPECULATION_ACCEPTANCE, SPECULATION_DRAFT_RATIO])
def test_without_the_counts_there_is_no_break_even(missing: str) -> None:
    own: dict[str, Metric] = {**speculation_metrics(COUNTS), "tpot_mean_ms": a_metric(10.0)}
    del own[missing]
    assert break_even_acceptance(own, {"tpot_mean_ms": a_metric(10.0)}) is None
