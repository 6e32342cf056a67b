"""Distributions that are made up: alike everywhere, and damaged by a set amount."""

import math

import pytest

from paceline.runtimes.fake_server.answers import WordCodec
from paceline.runtimes.fake_server.likelihood import FakeScorer
from paceline.runtimes.openai_face.generation import TokenScore

TEXT = " ".join(f"word{number}" for number in range(300))


def scores(divergence: float, *, top: int = 20) -> list[TokenScore]:
    codec = WordCodec()
    return list(
        FakeScorer(codec, divergence=divergence).score(codec.encode(TEXT, special=True), top=top)
    )


def divergence_of(damage: float) -> float:
    """Mean KL divergence from the truth, in nats."""
    total = 0.0
    for mine, base in zip(scores(damage)[1:], scores(0.0)[1:], strict=True):
        likely = dict(mine.top)
        total += sum(math.exp(p) * (p - likely[token]) for token, p in base.top)
    return total / (len(scores(0.0)) - 1)


def test_the_same_text_is_found_equally_likely_everywhere() -> None:
    assert scores(0.3) == scores(0.3)
    first, *others = scores(0.0)
    assert first == TokenScore(logprob=None, top=())
    assert all(math.isclose(sum(math.exp(p) for _, p in one.top), 1.0) for one in others)


@pytest.mark.parametrize("damage", [0.05, 0.3])
def test_damage_costs_about_half_its_square(damage: float) -> None:
    assert 0.25 * damage**2 < divergence_of(damage) < damage**2


def test_no_more_alternatives_are_listed_than_asked_for() -> None:
    assert {len(one.top) for one in scores(0.0, top=3)[1:]} == {3}
