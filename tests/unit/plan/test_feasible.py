import pytest

from paceline.plan.feasible import fit, memory_need
from paceline.testing.builders import a_model


def test_weights_follow_the_bits_of_the_format() -> None:
    model = a_model(8_030_261_248)
    bf16 = memory_need(model, "bf16", tokens_in_flight=0)
    int4 = memory_need(model, "int4", tokens_in_flight=0)
    assert bf16 is not None
    assert int4 is not None
    assert bf16.weights_gib == pytest.approx(14.96, abs=0.01)  # Llama-3.1-8B in bf16
    assert 0.25 < int4.weights_gib / bf16.weights_gib < 0.28


def test_kv_cache_grows_with_the_tokens_in_flight() -> None:
    need = memory_need(a_model(), "bf16", tokens_in_flight=1024)
    assert need is not None
    assert need.kv_cache_gib * 2**30 == 6 * 2 * 2 * 64 * 2 * 1024


def test_a_model_too_large_is_refused_with_both_numbers() -> None:
    need = memory_need(a_model(70_000_000_000), "bf16", tokens_in_flight=8 * 1024)
    assert need is not None
    answer = fit(need, 24.0)
    assert not answer.fits
    assert "130.4 GiB" in answer.need
    assert answer.have == "21.6 GiB (24.0 GiB x 0.9)"


def test_a_format_of_unknown_size_has_no_need() -> None:
    assert memory_need(a_model(), "ternary", tokens_in_flight=1) is None
