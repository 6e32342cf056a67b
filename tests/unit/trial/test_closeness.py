"""What a trial reads of the distributions, and what it is compared with."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from paceline.records.fidelity import (
    FidelityReading,
    NextToken,
    Reading,
    Readings,
    TextReading,
    pack_readings,
    unpack_readings,
)
from paceline.records.serial import Malformed
from paceline.trial.closeness import ReadingOrder, Reference, fidelity_to, read_closely

WORDS = tuple(f"w{number}" for number in range(300))
ORDER = ReadingOrder(
    variant_id="v", engine="e", way=Reading.FORCED, prompts=(), bits=4.1, reference=None
)


def reading(
    likely: float, *, words: Sequence[str] = WORDS, way: Reading = Reading.FORCED
) -> FidelityReading:
    """Every position gives `likely` to its own token and the rest to one other."""
    top = {"other": math.log(1 - likely)}
    tokens = tuple(NextToken(text=word, logprob=math.log(likely), top=top) for word in words)
    return FidelityReading(reading=way, texts=(TextReading(text_id="text-0", tokens=tokens),))


def reference(likely: float = 0.9) -> Reference:
    readings = Readings(first=reading(likely), again=reading(likely))
    return Reference(variant_id="base", engine="e", readings=readings)


def kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def test_a_reference_is_read_twice_and_compared_with_itself() -> None:
    ways: list[Reading] = []

    def read(way: Reading) -> FidelityReading:
        ways.append(way)
        return reading(0.9 if len(ways) == 1 else 0.8)

    found = read_closely(ORDER, read)
    assert ways == [Reading.FORCED] * 2
    assert found.fidelity is not None
    assert found.fidelity.against == "v"
    assert found.fidelity.mean_kl_nats == pytest.approx(kl(0.9, 0.8))
    assert found.garbage is None


def test_a_variant_is_read_once_and_compared_with_the_reference() -> None:
    found = read_closely(replace(ORDER, reference=reference()), lambda _way: reading(0.85))
    assert found.fidelity is not None
    assert (found.fidelity.against, found.fidelity.positions) == ("base", 300)
    assert found.fidelity.mean_kl_nats == pytest.approx(kl(0.9, 0.85))
    assert found.readings is not None
    assert fidelity_to(found.readings, reference()) == found.fidelity


def test_damage_beyond_the_format_is_garbage_on_the_same_engine_only() -> None:
    order = replace(ORDER, reference=reference())
    found = read_closely(order, lambda _way: reading(0.3))
    assert found.garbage is not None
    assert "4.1 bits per weight" in found.garbage.because
    elsewhere = replace(order, reference=replace(reference(), engine="another"))
    assert read_closely(elsewhere, lambda _way: reading(0.3)).garbage is None


def test_other_tokens_are_not_compared() -> None:
    order = replace(ORDER, reference=reference())
    found = read_closely(order, lambda _way: reading(0.9, words=WORDS[1:]))
    assert found.fidelity is None
    assert found.because == "e cuts the texts into other tokens than base"


def test_an_engine_that_does_not_answer_is_told() -> None:
    silent = FidelityReading(reading=None, texts=(), unavailable="HTTP 400")
    found = read_closely(ORDER, lambda _way: silent)
    assert (found.because, found.readings, found.garbage) == ("HTTP 400", None, None)


def test_readings_come_back_as_they_were_kept() -> None:
    readings = Readings(first=reading(0.9), again=None)
    assert unpack_readings(pack_readings(readings)) == readings
    with pytest.raises(Malformed, match="no readings"):
        unpack_readings(b"something else")
