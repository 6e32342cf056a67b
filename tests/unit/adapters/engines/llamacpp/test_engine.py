"""The command line of llama-server."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.llamacpp import LlamaCpp
from paceline.ports.engine import CanDraft, CanSpeculate, HasNeeds, HasSupportTable
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.model import Model
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

ENVIRONMENT = Environment(
    name="llamacpp", python="/e/bin/python", bin_dir="/b/bin", lock=(), lock_sha256=""
)
ARTEFACT = Artefact(folder="/artefact", format="gguf-q8_0", sha256="", size_bytes=0)


def launch(
    *knobs: tuple[str, Scalar],
    speculation: str | None = None,
    model: Model | None = None,
    artefact: Artefact = ARTEFACT,
    memory_gib: float = 16.0,
) -> LaunchSpec:
    return LlamaCpp().launch(
        replace(a_variant("llamacpp", "gguf-q8_0", knobs=knobs), speculation=speculation),
        artefact,
        model=model or a_model(),
        environment=ENVIRONMENT,
        accelerator=a_cpu(memory_gib, cores=3),
        port=20_001,
    )


def server_option(spec: LaunchSpec, name: str) -> str:
    argv = spec.argv[spec.argv.index("--") :]
    return argv[argv.index(name) + 1]


def test_runs_the_built_server_behind_the_wrapper_that_drains() -> None:
    spec = launch()
    cut = spec.argv.index("--")
    assert spec.argv[0] == "/e/bin/python"
    assert spec.argv[2:5] == ("drained", "--port", "20001")
    assert spec.argv[cut + 1] == "/b/bin/llama-server"
    assert server_option(spec, "--model") == "/artefact/model.gguf"
    assert server_option(spec, "--alias") == spec.model_name == "small"
    assert server_option(spec, "--host") == "127.0.0.1"
    assert server_option(spec, "--threads") == "3"
    assert "--metrics" in spec.argv


def test_waits_longer_than_the_wrapper_drains() -> None:
    spec = launch()
    grace_s = spec.argv[spec.argv.index("--grace-s") + 1]
    assert spec.grace_s > float(grace_s)


def test_every_slot_has_the_models_context() -> None:
    assert server_option(launch(), "--ctx-size") == str(8 * 2048)
    assert server_option(launch(("slots", 4)), "--ctx-size") == str(4 * 2048)
    assert server_option(launch(("context_tokens", 512)), "--ctx-size") == str(8 * 512)


def test_a_long_context_is_cut_to_what_a_quarter_of_the_free_memory_holds() -> None:
    """32 layers of 8 heads of 128 are 128 KiB per token: 4 GiB hold 32,768 of them."""
    large = replace(a_model(), layers=32, kv_heads=8, head_size=128, max_context_tokens=131_072)
    assert server_option(launch(model=large), "--ctx-size") == str(32_768)
    unknown = replace(large, max_context_tokens=None)
    assert server_option(launch(model=unknown), "--ctx-size") == str(32_768)
    assert server_option(launch(model=large, memory_gib=0.01), "--ctx-size") == str(8 * 512)
    heavy = replace(ARTEFACT, size_bytes=8 * 2**30)
    assert server_option(launch(model=large, artefact=heavy), "--ctx-size") == str(16_384)


def test_knobs_become_options() -> None:
    spec = launch(("kv_type", "q8_0"), ("step_tokens", 128), ("flash_attention", "off"))
    assert server_option(spec, "--cache-type-k") == "q8_0"
    assert server_option(spec, "--cache-type-v") == "q8_0"
    assert server_option(spec, "--ubatch-size") == "128"
    assert server_option(spec, "--flash-attn") == "off"
    assert server_option(launch(), "--cache-ram") == "0"
    assert server_option(launch(("prompt_cache_mib", 100)), "--cache-ram") == "100"


def test_guesses_ahead_only_when_told() -> None:
    engine = LlamaCpp()
    assert isinstance(engine, CanSpeculate)
    assert engine.speculations() == ("ngram",)
    assert server_option(launch(speculation="ngram"), "--spec-type") == "ngram-simple"
    assert "--spec-type" not in launch().argv


def test_has_a_sourced_row_for_each_format() -> None:
    engine = LlamaCpp()
    assert isinstance(engine, HasSupportTable)
    assert {row.format for row in engine.support()} == set(engine.formats())
    assert all(row.source for row in engine.support())


def test_takes_a_small_model_beside_the_large_one() -> None:
    draft = replace(ARTEFACT, folder="/draft")
    engine = LlamaCpp()
    assert isinstance(engine, CanDraft)
    spec = engine.with_draft(launch(speculation="draft tiny-123456"), draft)
    assert server_option(spec, "--spec-type") == "draft-simple"
    assert server_option(spec, "--model-draft") == "/draft/model.gguf"
    assert server_option(spec, "--model") == "/artefact/model.gguf"


def test_its_source_is_pinned_by_hash_and_builds_what_it_needs() -> None:
    spec = LlamaCpp().environment()
    assert spec is not None
    source = spec.source
    assert source is not None
    assert len(source.sha256) == 64
    assert set(source.programs) <= set(source.targets)


def test_says_which_tools_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "clang++"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = LlamaCpp()
    assert isinstance(engine, HasNeeds)
    assert [need.found for need in engine.needs()] == [None, str(compiler)]


@pytest.mark.parametrize("format_", ["bf16", "int4", "q4_0"])
def test_says_what_it_cannot_run(format_: str) -> None:
    engine = LlamaCpp()
    assert format_ in (engine.unsupported(a_model(), a_cpu(), format_) or "")
    gpu = replace(a_cpu(), kind=AcceleratorKind.GPU)
    assert "processors only" in (engine.unsupported(a_model(), gpu, "gguf-q8_0") or "")
    mute = replace(a_model(), has_chat_template=False)
    assert "chat template" in (engine.unsupported(mute, a_cpu(), "gguf-q8_0") or "")
    assert engine.unsupported(a_model(), a_cpu(), "gguf-q8_0") is None
