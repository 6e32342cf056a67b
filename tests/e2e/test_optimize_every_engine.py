"""Every engine of this machine in one run, at the defaults: minutes on a quiet machine."""

from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Done, Paceline

from paceline.adapters.quantizers.llmcompressor import LlmCompressor
from paceline.app.registry import load_engine
from paceline.app.wiring import Workshop
from paceline.records.launch import EnvironmentState

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.enable_socket]

ENGINES = ("openvino", "llamacpp", "vllm", "transformers")
INT8 = {"openvino": {"int8"}, "llamacpp": {"gguf-q8_0"}, "vllm": {"w8a8"}}
INT4 = {
    "openvino": {"int4"},
    "llamacpp": {"gguf-q4_0", "gguf-q4_k_m", "gguf-q4_k_m-imatrix", "gguf-iq4_xs"},
    "vllm": {"gptq-4", "awq-4"},
}
REQUEST = ("optimize", "reference", *(w for e in ENGINES for w in ("--engine", e)), "--json")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paceline, Done]:
    """One whole run; skipped where an engine or its quantizer is not installed."""
    folder = tmp_path_factory.mktemp("every-engine")
    paceline = Paceline(folder, shared_cache=True, timeout_s=3600)
    needed = {name: load_engine(name).environment() for name in ENGINES}
    needed["llmcompressor"] = LlmCompressor().environment()
    status = Workshop().environments.status
    absent = [
        name
        for name, spec in needed.items()
        if spec is not None and status(spec).state is not EnvironmentState.INSTALLED
    ]
    if absent:
        pytest.skip(f"not installed: paceline engines install {' '.join(absent)}")
    return paceline, paceline(*REQUEST)


def measured(run: tuple[Paceline, Done]) -> list[dict[str, Any]]:
    done = run[1]
    assert done.code == 0, done.err
    variants: list[dict[str, Any]] = done.document["variants"]
    return variants


def test_a_dozen_variants_of_every_engine_are_measured(run: tuple[Paceline, Done]) -> None:
    variants = measured(run)
    assert len(variants) >= 12
    assert {v["engine"] for v in variants} == set(ENGINES)


@pytest.mark.parametrize("formats", [INT8, INT4], ids=["int8", "int4"])
def test_narrow_weights_are_measured_in_three_engines(
    run: tuple[Paceline, Done], formats: dict[str, set[str]]
) -> None:
    seen = {(v["engine"], v["format"]) for v in measured(run)}
    without = [e for e, names in formats.items() if not any((e, name) in seen for name in names)]
    assert not without


def test_a_variant_that_guesses_ahead_shows_what_its_guesses_were_worth(
    run: tuple[Paceline, Done],
) -> None:
    guessing = [v for v in measured(run) if v["speculation"]]
    assert guessing
    for variant in guessing:
        accepted = variant["metrics"]["speculation_acceptance"]["value"]
        length = variant["metrics"]["speculation_mean_length_tokens"]["value"]
        assert 0 <= accepted <= 1 <= length
        assert any("tokens per check" in note for note in variant["notes"])


@pytest.mark.skipif(
    "amx_fp8" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"),
    reason="this processor multiplies fp8 itself",
)
def test_fp8_is_rejected_on_a_processor_with_its_reason(run: tuple[Paceline, Done]) -> None:
    measured(run)
    (ground,) = [
        r
        for r in run[1].document["rejected"]
        if (r["variant"]["engine"], r["variant"]["format"]) == ("vllm", "fp8")
    ]
    assert ground["reason"] == "unsupported"
    assert "amx_fp8" in ground["detail"]
    assert ground["variants"] > 1, "said once, for every setting of every knob"


def test_its_receipt_verifies(run: tuple[Paceline, Done]) -> None:
    paceline, done = run
    assert paceline("verify", done.document["receipt"]).code == 0
