"""The command line of our OpenVINO server."""

from dataclasses import replace

import pytest

from paceline.adapters.engines.openvino import OpenVino
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

ENVIRONMENT = Environment(
    name="openvino", python="/e/bin/python", bin_dir="/e/bin", lock=(), lock_sha256=""
)
ARTEFACT = Artefact(folder="/artefact", format="int8", sha256="", size_bytes=1000)


def launch(*knobs: tuple[str, Scalar]) -> LaunchSpec:
    return OpenVino().launch(
        a_variant("openvino", "int8", knobs=knobs),
        ARTEFACT,
        model=a_model(),
        environment=ENVIRONMENT,
        accelerator=a_cpu(cores=3),
        port=20_001,
    )


def option(spec: LaunchSpec, name: str) -> str:
    return spec.argv[spec.argv.index(name) + 1]


def test_runs_our_server_with_the_engines_python() -> None:
    spec = launch()
    assert spec.argv[0] == "/e/bin/python"
    assert spec.argv[1].endswith("runtimes/run.py")
    assert spec.argv[2] == "openvino_server"
    assert option(spec, "--model") == "/artefact"
    assert option(spec, "--model-name") == spec.model_name == "small"
    assert option(spec, "--threads") == "3"


def test_waits_longer_than_the_server_drains() -> None:
    spec = launch()
    assert spec.grace_s > float(option(spec, "--grace-s"))


def test_knobs_become_options() -> None:
    spec = launch(("max_num_batched_tokens", 1024), ("prefix_caching", True), ("threads", 1))
    assert option(spec, "--max-num-batched-tokens") == "1024"
    assert "--prefix-caching" in spec.argv
    assert option(spec, "--threads") == "1"
    assert "--no-prefix-caching" in launch(("prefix_caching", False)).argv


@pytest.mark.parametrize("format_", ["bf16", "gptq"])
def test_says_what_it_cannot_run(format_: str) -> None:
    engine = OpenVino()
    assert format_ in (engine.unsupported(a_model(), a_cpu(), format_) or "")
    gpu = replace(a_cpu(), kind=AcceleratorKind.GPU)
    assert "gpu" in (engine.unsupported(a_model(), gpu, "int8") or "")
    assert engine.unsupported(a_model(), a_cpu(), "int8") is None
