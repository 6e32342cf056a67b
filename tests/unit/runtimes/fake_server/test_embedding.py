import math
from collections.abc import Sequence

import pytest

from paceline.runtimes.fake_server.answers import WordCodec
from paceline.runtimes.fake_server.embedding import FakeEmbedder


def embed(text: str) -> Sequence[float]:
    codec = WordCodec()
    codec.encode("others came before", special=False)
    return FakeEmbedder(codec).embed(codec.encode(text, special=True))


def cosine(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))


def test_vectors_have_unit_length_and_are_the_same_everywhere() -> None:
    assert math.hypot(*embed("a red fox")) == pytest.approx(1.0)
    assert embed("a red fox") == embed("a red fox")


def test_texts_that_share_words_are_nearer() -> None:
    assert cosine("a red fox", "fox red a") == pytest.approx(1.0)
    assert cosine("a red fox", "a red dog") > cosine("a red fox", "seven green cars") + 0.3
