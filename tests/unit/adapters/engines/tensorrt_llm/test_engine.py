"""The command line and the settings file of `trtllm-serve`, and what it declares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from paceline.adapters.engines.tensorrt_llm import TensorRtLlm
from paceline.adapters.engines.tensorrt_llm.settings import KNOBS, check_settings, settings_of
from paceline.errors import CandidateError
from paceline.ports.engine import HasNeeds, HasSupportTable, Unverified
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Environment
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

ENVIRONMENT = Environment(
    name="tensorrt_llm", python="/e/bin/python", bin_dir="/e/bin", lock=(), lock_sha256=""
)
H200 = replace(
    a_cpu(), name="H200", kind=AcceleratorKind.GPU, memory_gib=140.0, compute_capability=9.0
)


def settings(
    *, count: int = 1, speculation: str | None = None, weights: bool = True, **knobs: Scalar
) -> dict[str, Any]:
    text = settings_of(knobs, count=count, speculation=speculation, weights=weights)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_every_knob_value_is_a_setting_that_the_schema_allows() -> None:
    for knob in KNOBS:
        texts = {
            settings_of({knob.name: value}, count=1, speculation=None, weights=True)
            for value in knob.values
        }
        assert len(texts) == len(knob.values)


def test_settings_lie_where_the_engine_looks_for_them() -> None:
    found = settings(count=4, kv_cache_dtype="fp8", chunked_prefill=True, expert_parallel=True)
    assert found["tensor_parallel_size"] == found["moe_expert_parallel_size"] == 4
    assert found["kv_cache_config"] == {"dtype": "fp8"}
    assert found["enable_chunked_prefill"] is True


def test_speculation_and_missing_weights_are_settings_too() -> None:
    found = settings(speculation="ngram", weights=False)
    assert found["speculative_config"]["decoding_type"] == "NGram"
    assert found["disable_overlap_scheduler"] is True
    assert found["load_format"] == "dummy"


def test_what_the_schema_does_not_know_is_refused_with_its_path() -> None:
    with pytest.raises(CandidateError, match=r"\$\.kv_cache_config\.free_gpu_memory_fraction"):
        settings(kv_cache_fraction=1.5)
    with pytest.raises(CandidateError, match="no such setting"):
        check_settings({"no_such_setting": 1})


def test_the_launch_carries_the_text_of_the_settings_file(tmp_path: Path) -> None:
    spec = TensorRtLlm().launch(
        replace(a_variant("tensorrt_llm"), accelerator="H200"),
        Artefact(folder=str(tmp_path / "model"), format="bf16", sha256="0", size_bytes=1000),
        model=a_model(),
        environment=ENVIRONMENT,
        accelerator=H200,
        port=20_001,
    )
    assert yaml.safe_load(spec.argv[3])["backend"] == "pytorch"
    assert spec.argv[4:6] == ("/e/bin/trtllm-serve", "serve")
    assert spec.argv[-2:] == ("--config", "{settings}")
    assert spec.model_name == "model"


def test_it_says_that_it_is_unverified_and_needs_a_card() -> None:
    engine = TensorRtLlm()
    for power in (HasNeeds, HasSupportTable, Unverified):
        assert isinstance(engine, power)
    assert "never run" in engine.unverified()


def test_processors_are_refused_and_generations_told_apart() -> None:
    engine = TensorRtLlm()
    assert "NVIDIA cards only" in (engine.unsupported(a_model(), a_cpu(), "bf16") or "")
    assert engine.unsupported(a_model(), H200, "fp8") is None
    assert "10.0, H200 has 9.0" in (engine.unsupported(a_model(), H200, "nvfp4") or "")
