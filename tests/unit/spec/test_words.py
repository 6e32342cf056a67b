"""Plain words by a closed grammar."""

import random

import pytest

from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Priority
from paceline.spec.grammar import parse_budget, parse_constraint
from paceline.spec.vocabulary import PHRASES, Role
from paceline.spec.words import parse_words
from paceline.testing.constraint_texts import a_constraint_text


def texts(words: str) -> list[str]:
    return [constraint.text for constraint in parse_words(words).constraints]


@pytest.mark.parametrize(
    ("words", "priority", "constraints"),
    [
        (
            "optimize for latency, p95 ttft under 300 ms, min quality 0.9, budget under $500/month",
            Priority.LATENCY,
            ["ttft p95 < 300ms", "quality >= 0.9", "cost < 500 usd/month"],
        ),
        ("cheaper", Priority.COST, []),
        (
            "throughput at least 500 tokens per second and p99 e2e below 2 s",
            None,
            ["output_tokens_per_s >= 500 tokens/s", "e2e p99 < 2000ms"],
        ),
        ("max 40ms tpot on average", None, ["tpot mean <= 40ms"]),
        ("cold start under a minute", None, ["cold_start < 60s"]),
        ("memory below 80%", None, ["memory < 80%"]),
        ("latency", Priority.LATENCY, []),
        (
            "Best quality; TPOT P50 No More Than 0.05 Seconds.",
            Priority.QUALITY,
            ["tpot p50 <= 50ms"],
        ),
        ("fast with quality at least 98% of baseline", Priority.LATENCY, ["quality >= 0.98x"]),
        ("max throughput", Priority.THROUGHPUT, []),
        ("max ttft under 2 s", None, ["ttft max < 2000ms"]),
        ("end-to-end latency p99 < 2s", None, ["e2e p99 < 2000ms"]),
        ("95th percentile time-to-first-token at most 1,500 ms", None, ["ttft p95 <= 1500ms"]),
        ("at least 2x baseline throughput", None, ["output_tokens_per_s >= 2x"]),
        ("cheaper than $0.40/M tokens", None, ["cost < 0.4 usd/mtok"]),
        ("$500 a month at most", None, ["cost <= 500 usd/month"]),
        ("budget 0.02 dollars per image", None, ["cost <= 0.02 usd/image"]),
        ("throughput over 3 requests per second", None, ["requests_per_s > 3 requests/s"]),
        ("failed requests at most 1%", None, ["failed_share <= 0.01"]),
        ("quality, and also quality >= 0.9", Priority.QUALITY, ["quality >= 0.9"]),
        (
            "median itl within 30 ms, ttft p95 <= 200ms",
            None,
            ["itl p50 <= 30ms", "ttft p95 <= 200ms"],
        ),
    ],
)
def test_words_become_priority_and_constraints(
    words: str, priority: Priority | None, constraints: list[str]
) -> None:
    assert parse_words(words).priority is priority
    assert texts(words) == constraints


@pytest.mark.parametrize(
    ("words", "budget"),
    [
        ("budget 10 minutes", "10m"),
        ("spend at most 90s", "90s"),
        ("$20 for the run", "$20"),
        ("cheap; run budget 5m; $2.5 per run", "5m|$2.5"),
    ],
)
def test_the_budget_of_the_run_is_told_from_a_cost(words: str, budget: str) -> None:
    assert parse_words(words).budget == parse_budget(budget)
    assert texts(words) == []


def test_whatever_the_formal_grammar_prints_is_understood_as_words_too() -> None:
    chance = random.Random(11)
    for _ in range(500):
        constraint = parse_constraint(a_constraint_text(chance))
        assert parse_words(f"fast, {constraint.text}").constraints == (constraint,)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("blazingly fast, p95 ttft under 300 ms with Foo Bar", ["'blazingly'", "'Foo Bar'"]),
        ("do not optimize for latency", ["'do not'"]),
        ("p95 ttft under 3 parsecs", ["'parsecs'"]),
        ("faster than 300 ms", ["'than'"]),
        ("cheap __import__('os')", ["__import__"]),
        ("快い", ["'快い'"]),
    ],
)
def test_unknown_words_are_named_exactly(words: str, named: list[str]) -> None:
    with pytest.raises(SpecError) as refused:
        parse_words(words)
    assert refused.value.code is Code.NOT_UNDERSTOOD
    assert "METRIC [STATISTIC] OP VALUE[UNIT]" in str(refused.value)
    for word in named:
        assert word in refused.value.what


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        ("max latency", "ttft is the time to the first token"),
        ("latency under 300 ms", "each needs a statistic"),
        ("p95 under 300ms", "ttft"),
        ("ttft under 300 ms", "which statistic"),
        ("max e2e 5 s", "which statistic"),
        ("budget under $500", "per month"),
        ("under $500", "what this run itself may spend"),
        ("throughput at least 500", "tokens/s or in requests/s"),
        ("80% at most", "quality"),
        ("within 2% of baseline quality", "at least 98% of baseline"),
        ("quality 0.9", "a most or a least"),
        ("p95 ttft", "no number"),
        ("at least", "no number"),
        ("p95 ttft under 300 ms p99 e2e under 2 s", "2 metrics (ttft, e2e)"),
        ("p95 ttft under 300 ms or 400 ms", "'or'"),
        ("budget at least 10 minutes", "a greatest value"),
        ("budget 10m, budget 5m", "given twice: 600 and 300"),
        ("", "no priority, no limit and no budget"),
        ("please", "no priority, no limit and no budget"),
    ],
)
def test_what_can_mean_two_things_is_refused_with_the_choice(words: str, choice: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_words(words)
    assert choice in str(refused.value)


def test_two_priorities_contradict_each_other() -> None:
    with pytest.raises(SpecError) as refused:
        parse_words("optimize for latency and cost")
    assert refused.value.code is Code.CONTRADICTION
    assert parse_words("fast, low latency").priority is Priority.LATENCY


def test_a_jumble_of_known_phrases_is_understood_or_refused_and_never_crashes() -> None:
    chance = random.Random(5)
    phrases = [" ".join(phrase) for phrase in PHRASES]
    pieces = [*phrases, "p95", "300 ms", "$5", "0.9", "80%", "2x", "500 tokens/s", "/", "$", "-"]
    understood = 0
    for _ in range(3000):
        words = " ".join(chance.choices(pieces, k=chance.randint(1, 7)))
        try:
            found = parse_words(words)
        except SpecError:
            continue
        understood += 1
        assert found.constraints or found.priority or found.budget != Budget(), words
        for constraint in found.constraints:
            assert parse_constraint(constraint.text) == constraint, words
    assert understood > 100


def test_every_phrase_has_one_meaning_that_exists() -> None:
    for phrase, meaning in PHRASES.items():
        if meaning.role is Role.PRIORITY:
            assert meaning.value in list(Priority), phrase
