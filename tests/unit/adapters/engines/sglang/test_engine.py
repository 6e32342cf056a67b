"""The command line of SGLang's server, and what it declares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.engines.sglang import Sglang
from paceline.adapters.engines.sglang.environments import (
    CUDA,
    PARSER_ONLY,
    driver_version,
)
from paceline.ports.engine import CanSpeculate, CanValidate, HasNeeds, HasSupportTable
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant
from paceline.testing.engines import ended

ENVIRONMENT = Environment(
    name="sglang", python="/e/bin/python", bin_dir="/e/bin", lock=(), lock_sha256=""
)
H200 = replace(
    a_cpu(), name="H200", kind=AcceleratorKind.GPU, memory_gib=140.0, compute_capability=9.0
)


def launch(
    folder: Path, *, format_: str = "bf16", count: int = 1, size_bytes: int = 1000, **knobs: Scalar
) -> LaunchSpec:
    variant = a_variant("sglang", format_, knobs=tuple(sorted(knobs.items())))
    return Sglang().launch(
        replace(variant, accelerator="H200", count=count),
        Artefact(folder=str(folder), format=format_, sha256="0", size_bytes=size_bytes),
        model=a_model(),
        environment=ENVIRONMENT,
        accelerator=H200,
        port=20_001,
    )


def test_serves_the_folder_offline_with_metrics(tmp_path: Path) -> None:
    spec = launch(tmp_path)
    text = " ".join(spec.argv)
    assert text.startswith("/e/bin/python -m sglang.launch_server --model-path")
    assert "--host 127.0.0.1 --port 20001 --enable-metrics --dtype bfloat16" in text
    assert spec.env["HF_HUB_OFFLINE"] == "1"
    assert spec.env["TORCHINDUCTOR_CACHE_DIR"].endswith("/compiled"), "kept between starts"


@pytest.mark.parametrize(
    ("knobs", "flags"),
    [
        ({"chunked_prefill_size": 512}, "--chunked-prefill-size 512"),
        ({"mem_fraction_static": 0.8}, "--mem-fraction-static 0.8"),
        ({"schedule_policy": "lpm"}, "--schedule-policy lpm"),
        ({"radix_cache": False}, "--disable-radix-cache"),
        ({"kv_cache_dtype": "fp8_e4m3"}, "--kv-cache-dtype fp8_e4m3"),
        ({"parallelism": "pipeline"}, "--pp-size 2"),
        ({"expert_parallel": True}, "--tp-size 2 --ep-size 2"),
    ],
)
def test_knobs_become_flags(knobs: dict[str, Any], flags: str, tmp_path: Path) -> None:
    assert flags in " ".join(launch(tmp_path, count=2, **knobs).argv)


def test_formats_and_missing_weights_become_flags(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "--quantization" in launch(tmp_path, format_="fp8").argv
    assert "--quantization" not in launch(tmp_path, format_="w8a8").argv
    (tmp_path / "config.json").write_text('{"quantization_config": {}}')
    assert "--quantization" not in launch(tmp_path, format_="fp8").argv
    assert "dummy" in launch(tmp_path, size_bytes=0).argv


def test_processors_are_refused_with_the_reason_for_every_format() -> None:
    for format_ in Sglang().formats():
        reason = Sglang().unsupported(a_model(), a_cpu(), format_) or ""
        assert "kernels for processors are in no wheel" in reason
    assert Sglang().unsupported(a_model(), H200, "fp8") is None
    t4 = replace(H200, name="T4", compute_capability=7.5)
    assert "8.0, T4 has 7.5" in (Sglang().unsupported(a_model(), t4, "bf16") or "")


def test_without_a_driver_only_the_parser_is_installed(tmp_path: Path) -> None:
    assert driver_version(tmp_path / "version") is None
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX 580.1\nGCC version\n")
    assert driver_version(tmp_path / "version") == "NVRM version: NVIDIA UNIX 580.1"
    assert "sglang-kernel; sys_platform == 'never'" in PARSER_ONLY.overrides
    assert CUDA.overrides == ()


def test_has_its_optional_powers() -> None:
    for power in (CanSpeculate, CanValidate, HasNeeds, HasSupportTable):
        assert isinstance(Sglang(), power)
    validator = Sglang().validator(ENVIRONMENT)
    assert validator.argv[-1] == "argument_check.sglang"
    assert launch(Path("/m")).argv[validator.skipped] == "--model-path"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory", Cause.OUT_OF_MEMORY),
        ("sglang serve: error: unrecognized arguments: --x", Cause.BAD_FLAG),
        ("RuntimeError: SGLang only supports sm75 and above.", Cause.UNSUPPORTED),
    ],
)
def test_words_of_its_sources_are_recognized(log: str, cause: Cause) -> None:
    assert Sglang().classify(ended(1, log)) is cause
