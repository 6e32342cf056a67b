import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from paceline.records.fidelity import FidelityReading, NextToken, Reading, TextReading
from paceline.trial.fidelity import compare_fidelity, divergences, farther_p, kl_lower_bound


def logs(shares: Mapping[str, float]) -> dict[str, float]:
    return {token: math.log(share) for token, share in shares.items()}


def at(token: str, **shares: float) -> NextToken:
    return NextToken(text=token, logprob=math.log(shares[token]), top=logs(shares))


def reading(*tokens: NextToken, way: Reading = Reading.FORCED, text: str = "t") -> FidelityReading:
    return FidelityReading(reading=way, texts=(TextReading(text_id=text, tokens=tokens),))


def test_kl_of_whole_distributions_is_the_textbook_value() -> None:
    base, other = {"a": 0.5, "b": 0.5}, {"a": 0.25, "b": 0.75}
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert kl_lower_bound(logs(base), logs(other)) == pytest.approx(expected)
    assert kl_lower_bound(logs(base), logs(base)) == 0.0


def test_unlisted_tokens_count_as_one_and_never_raise_the_value() -> None:
    base = {"a": 0.6, "b": 0.3, "c": 0.1}
    other = {"a": 0.2, "b": 0.3, "c": 0.5}
    whole = kl_lower_bound(logs(base), logs(other))
    partial = kl_lower_bound(logs({"a": 0.6, "b": 0.3}), logs({"a": 0.2, "c": 0.5}))
    assert 0 < partial < whole
    assert kl_lower_bound(logs({"a": 0.6}), logs({"c": 0.5})) == 0.0


def test_an_equal_variant_has_no_divergence() -> None:
    same = reading(at("a", a=0.9, b=0.1), at("b", a=0.2, b=0.8))
    found = compare_fidelity(same, same)
    assert found is not None
    assert (found.mean_kl_nats, found.top1_agreement, found.perplexity_ratio) == (0.0, 1.0, 1.0)
    assert found.positions == 2
    assert found.coverage == pytest.approx(1.0)


def test_more_damage_is_more_divergence() -> None:
    base = reading(*[at("a", a=0.8, b=0.2)] * 20)
    found = [
        compare_fidelity(reading(*[at("a", a=share, b=1 - share)] * 20), base)
        for share in (0.78, 0.7, 0.4)
    ]
    values = [one.mean_kl_nats for one in found if one]
    assert values == sorted(values)
    assert [one.top1_agreement for one in found if one] == [1.0, 1.0, 0.0]
    ratios = [one.perplexity_ratio for one in found if one]
    assert ratios == pytest.approx([0.8 / 0.78, 0.8 / 0.7, 0.8 / 0.4])


def test_a_continuation_counts_up_to_where_the_two_part() -> None:
    base = reading(at("a", a=0.9, b=0.1), at("c", c=0.9), at("d", d=0.9), way=Reading.GREEDY)
    mine = reading(at("a", a=0.8, b=0.2), at("e", e=0.5, c=0.4), at("x", x=1.0), way=Reading.GREEDY)
    found = compare_fidelity(mine, base)
    assert found is not None
    assert found.positions == 2
    assert found.top1_agreement == 0.5


def test_a_token_that_the_variant_does_not_list_counts_as_its_least_likely() -> None:
    found = compare_fidelity(reading(at("b", b=0.7, c=0.2)), reading(at("a", a=0.8, b=0.1)))
    assert found is not None
    assert found.perplexity_ratio == pytest.approx(0.8 / 0.2)


@pytest.mark.parametrize(
    "other",
    [
        FidelityReading(reading=None, texts=(), unavailable="HTTP 400"),
        reading(at("a", a=1.0), way=Reading.GREEDY),
        reading(at("a", a=1.0), text="another"),
    ],
)
def test_without_common_positions_there_is_no_figure(other: FidelityReading) -> None:
    assert compare_fidelity(other, reading(at("a", a=1.0))) is None


def texts(*shares: float) -> FidelityReading:
    """One text per share; the baseline below is sure by 0.8."""
    return FidelityReading(
        reading=Reading.FORCED,
        texts=tuple(
            TextReading(text_id=f"t{number}", tokens=(at("a", a=share, b=1 - share),))
            for number, share in enumerate(shares)
        ),
    )


def test_damage_is_told_from_the_noise_of_the_baseline_text_by_text() -> None:
    base = texts(*[0.8] * 12)
    found = compare_fidelity(texts(*[0.7] * 12), base, texts(*[0.79] * 12))
    assert found is not None
    assert found.texts == 12
    assert found.noise_kl_nats is not None
    assert found.noise_kl_nats < 0.01 * 12 * found.mean_kl_nats
    assert found.p_value == pytest.approx(2**-12)
    same = compare_fidelity(base, base, base)
    assert same is not None
    assert (same.noise_kl_nats, same.p_value) == (0.0, 1.0)


def test_noise_alone_is_no_damage() -> None:
    base = texts(*[0.8] * 12)
    found = compare_fidelity(texts(*[0.79, 0.78] * 6), base, texts(*[0.78, 0.79] * 6))
    assert found is not None
    assert found.p_value is not None
    assert found.p_value > 0.5


def test_two_variants_are_ordered_on_the_texts_that_both_have() -> None:
    base = texts(*[0.8] * 10)
    bad, good = divergences(texts(*[0.6] * 10), base), divergences(texts(*[0.75] * 9), base)
    assert farther_p(bad, good) == pytest.approx(2**-9)
    assert farther_p(good, bad) == 1.0


GOLDEN = Path(__file__).parents[3] / "tests/golden/fidelity/reference.json"


def captured(variant: str) -> FidelityReading:
    """What the reference model says with its weights rounded; see the file's first field."""
    texts = json.loads(GOLDEN.read_text(encoding="utf-8"))["variants"][variant]
    return FidelityReading(
        reading=Reading.FORCED,
        texts=tuple(
            TextReading(text_id=str(number), tokens=tuple(NextToken(**one) for one in tokens))
            for number, tokens in enumerate(texts)
        ),
    )


def test_few_positions_order_the_precisions_of_a_real_model() -> None:
    """29 positions are enough, where 300 answers cannot tell int8 or int4 from bf16."""
    found = [
        compare_fidelity(captured(variant), captured("bf16"))
        for variant in ("bf16", "int8", "int4-clipped", "int4-nearest", "int3-per-row")
    ]
    values = [one.mean_kl_nats for one in found if one]
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[1] < 0.1 * values[2] < 0.1 * values[3] < 0.1 * values[4]
