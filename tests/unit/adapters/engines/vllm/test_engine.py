"""The command line of `vllm serve`, its environment variables, and what it declares."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.engines.vllm import Vllm
from paceline.adapters.engines.vllm.builds import CUDA, Build, cpu_environment
from paceline.adapters.engines.vllm.support import SUPPORT
from paceline.ports.engine import CanDraft, CanSpeculate, CanValidate, HasNeeds, HasSupportTable
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

CPU = Build(kind=AcceleratorKind.CPU, environment=cpu_environment(zen=False))
CARDS = Build(kind=AcceleratorKind.GPU, environment=CUDA, devices=2)
H200 = replace(
    a_cpu(), name="H200", kind=AcceleratorKind.GPU, memory_gib=140.0, compute_capability=9.0
)
MODEL = a_model()


def environment_in(folder: Path) -> Environment:
    return Environment(
        name="vllm",
        python=str(folder / "bin/python"),
        bin_dir=str(folder / "bin"),
        lock=(),
        lock_sha256="",
    )


def launch(
    folder: Path,
    *,
    build: Build = CPU,
    place: Accelerator | None = None,
    format_: str = "bf16",
    count: int = 1,
    speculation: str | None = None,
    size_bytes: int = 1000,
    **knobs: Scalar,
) -> LaunchSpec:
    variant = a_variant("vllm", format_, knobs=tuple(sorted(knobs.items())))
    return Vllm(build).launch(
        replace(variant, count=count, speculation=speculation),
        Artefact(folder=str(folder), format=format_, sha256="0", size_bytes=size_bytes),
        model=MODEL,
        environment=environment_in(folder),
        accelerator=place or a_cpu(memory_gib=16.0, cores=2),
        port=20_001,
    )


def value_of(spec: LaunchSpec, flag: str) -> str:
    return spec.argv[spec.argv.index(flag) + 1]


def test_serves_the_folder_offline_on_the_loopback(tmp_path: Path) -> None:
    spec = launch(tmp_path)
    command = spec.argv[spec.argv.index("--") + 1 :]
    assert command[:3] == (str(tmp_path / "bin/vllm"), "serve", str(tmp_path))
    assert value_of(spec, "--host") == "127.0.0.1"
    assert value_of(spec, "--served-model-name") == spec.model_name == MODEL.name
    assert spec.env["HF_HUB_OFFLINE"] == "1"
    assert spec.env["TORCHINDUCTOR_CACHE_DIR"].endswith("/compiled"), "kept between starts"
    assert spec.env["VLLM_NO_USAGE_STATS"] == "1"
    assert spec.env["PATH"].startswith(str(tmp_path / "bin"))


def test_what_is_in_flight_may_finish_and_statistics_are_kept(tmp_path: Path) -> None:
    spec = launch(tmp_path)
    assert 0 < float(value_of(spec, "--shutdown-timeout")) < spec.grace_s
    assert "--disable-log-stats" not in spec.argv
    assert "--no-enable-log-requests" in spec.argv


def test_defaults_are_left_to_the_engine(tmp_path: Path) -> None:
    assert not {"--max-num-seqs", "--enforce-eager", "--load-format", "--quantization"} & set(
        launch(tmp_path).argv
    )


def test_the_cache_of_a_processor_holds_every_sequence_within_a_share(tmp_path: Path) -> None:
    per_token = MODEL.layers * 2 * MODEL.kv_heads * MODEL.head_size * 2
    one = per_token * (MODEL.max_context_tokens or 0)
    assert one > 0
    assert int(value_of(launch(tmp_path), "--kv-cache-memory-bytes")) == 128 * one
    few = launch(tmp_path, max_num_seqs=16)
    assert int(value_of(few, "--kv-cache-memory-bytes")) == 16 * one
    tight = launch(tmp_path, place=a_cpu(memory_gib=0.5))
    assert int(value_of(tight, "--kv-cache-memory-bytes")) == int(0.3 * 0.5 * 2**30)
    assert "--max-model-len" not in tight.argv
    tiny = launch(tmp_path, place=a_cpu(memory_gib=0.001))
    assert int(value_of(tiny, "--max-model-len")) == int(0.3 * 0.001 * 2**30) // per_token


def test_a_context_that_no_card_holds_is_cut(tmp_path: Path) -> None:
    small = replace(H200, memory_gib=1.0)
    spec = launch(tmp_path, build=CARDS, place=small, size_bytes=int(0.8 * 2**30) - 307_200)
    per_token = MODEL.layers * 2 * MODEL.kv_heads * MODEL.head_size * 2
    assert int(value_of(spec, "--max-model-len")) == 307_200 // per_token
    assert "--max-model-len" not in launch(tmp_path, build=CARDS, place=H200).argv


def test_a_card_measures_its_memory_itself(tmp_path: Path) -> None:
    spec = launch(tmp_path, build=CARDS, place=H200)
    assert "--kv-cache-memory-bytes" not in spec.argv
    assert "LD_PRELOAD" not in spec.env
    assert "VLLM_USE_AOT_COMPILE" not in spec.env


def test_a_processor_loads_what_inductor_compiled(tmp_path: Path) -> None:
    assert launch(tmp_path).env["VLLM_USE_AOT_COMPILE"] == "0"


def test_libraries_that_are_there_are_preloaded(tmp_path: Path) -> None:
    assert "libiomp5" not in launch(tmp_path).env.get("LD_PRELOAD", "")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libiomp5.so").touch()
    assert str(tmp_path / "lib/libiomp5.so") in launch(tmp_path).env["LD_PRELOAD"]


def test_all_cores_are_bound_on_demand_only(tmp_path: Path) -> None:
    assert "VLLM_CPU_OMP_THREADS_BIND" not in launch(tmp_path).env
    one = launch(tmp_path, place=a_cpu(cores=1), all_cores=True)
    assert one.env["VLLM_CPU_OMP_THREADS_BIND"].isdigit()


def test_switches_are_turned_both_ways(tmp_path: Path) -> None:
    assert "--enforce-eager" in launch(tmp_path, enforce_eager=True).argv
    assert "--no-enable-prefix-caching" in launch(tmp_path, prefix_caching=False).argv


def test_without_chunks_a_step_holds_the_longest_prompt(tmp_path: Path) -> None:
    spec = launch(tmp_path, chunked_prefill=False)
    assert "--no-enable-chunked-prefill" in spec.argv
    assert int(value_of(spec, "--max-num-batched-tokens")) == MODEL.max_context_tokens


@pytest.mark.parametrize(
    ("knobs", "flag"),
    [
        ({}, "--tensor-parallel-size"),
        ({"parallelism": "pipeline"}, "--pipeline-parallel-size"),
        ({"parallelism": "data"}, "--data-parallel-size"),
    ],
)
def test_several_cards_are_used_as_told(knobs: dict[str, Any], flag: str, tmp_path: Path) -> None:
    spec = launch(tmp_path, build=CARDS, place=H200, count=2, **knobs)
    assert value_of(spec, flag) == "2"


def test_a_model_without_weights_gets_random_ones(tmp_path: Path) -> None:
    assert value_of(launch(tmp_path, size_bytes=0), "--load-format") == "dummy"


def test_fp8_is_made_while_loading_unless_the_folder_has_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    made = launch(tmp_path, build=CARDS, place=H200, format_="fp8")
    assert value_of(made, "--quantization") == "fp8"
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {}}))
    assert "--quantization" not in launch(tmp_path, build=CARDS, place=H200, format_="fp8").argv


def test_speculation_is_told_as_json(tmp_path: Path) -> None:
    spec = launch(tmp_path, speculation="ngram")
    assert json.loads(value_of(spec, "--speculative-config"))["method"] == "ngram"


def test_a_draft_is_told_when_it_is_known(tmp_path: Path) -> None:
    spec = launch(tmp_path, speculation="draft small-123456")
    assert "--speculative-config" not in spec.argv
    draft = Artefact(folder="/models/small", format="bf16", sha256="1", size_bytes=10)
    told = json.loads(value_of(Vllm(CPU).with_draft(spec, draft), "--speculative-config"))
    assert (told["method"], told["model"]) == ("draft_model", "/models/small")


def test_a_larger_model_gets_more_time_to_start(tmp_path: Path) -> None:
    large = launch(tmp_path, size_bytes=10 * 2**30)
    assert large.ready_timeout_s > launch(tmp_path).ready_timeout_s + 100


def test_sigterm_waits_for_the_last_answer_and_reaches_no_worker(tmp_path: Path) -> None:
    spec = launch(tmp_path)
    wrapper = spec.argv[: spec.argv.index("--")]
    assert wrapper[2:5] == ("drained", "--port", str(spec.port))
    assert "vllm:num_requests_running" in wrapper
    # The parser is shown what comes after the program.
    validator = Vllm(CPU).validator(environment_in(tmp_path))
    assert spec.argv[validator.skipped] == "serve"


def test_has_its_optional_powers() -> None:
    engine = Vllm(CPU)
    for power in (CanDraft, CanSpeculate, CanValidate, HasNeeds, HasSupportTable):
        assert isinstance(engine, power)
    validator = engine.validator(environment_in(Path("/e")))
    assert validator.argv[-1] == "argument_check.vllm"
    assert Path(validator.argv[1]).is_file()


def test_knobs_are_those_of_the_hardware() -> None:
    cpu = {knob.name for knob in Vllm(CPU).knobs()}
    one = {knob.name for knob in Vllm(replace(CARDS, devices=1)).knobs()}
    two = {knob.name for knob in Vllm(CARDS).knobs()}
    assert "all_cores" in cpu - one
    assert "gpu_memory_utilization" in one - cpu
    assert two - one == {"parallelism", "expert_parallel"}


def test_unquantized_formats_come_first_and_the_rest_from_checkpoints() -> None:
    engine = Vllm(CPU)
    assert engine.formats()[0] == "bf16"
    assert set(engine.checkpoint_formats()) == set(engine.formats()) - {"bf16", "fp16", "fp8"}


def test_fp8_on_a_processor_is_refused_with_its_source() -> None:
    reason = Vllm(CPU).unsupported(MODEL, a_cpu(), "fp8") or ""
    assert "amx_fp8" in reason
    assert "scaled_mm/cpu.py" in reason
    assert "amx_tile" in (Vllm(CPU).unsupported(MODEL, a_cpu(), "fp8-static") or "")
    amx = replace(a_cpu(), features=("amx_tile", "amx_bf16"))
    assert Vllm(CPU).unsupported(MODEL, amx, "fp8-static") is None


@pytest.mark.parametrize("format_", ["bf16", "w8a8", "gptq-4", "awq-4"])
def test_what_runs_on_any_processor(format_: str) -> None:
    assert Vllm(CPU).unsupported(MODEL, a_cpu(), format_) is None


def test_generations_of_cards_are_told_apart() -> None:
    engine = Vllm(CARDS)
    a100 = replace(H200, name="A100", compute_capability=8.0)
    assert engine.unsupported(MODEL, H200, "fp8") is None
    assert "8.9, A100 has 8.0" in (engine.unsupported(MODEL, a100, "fp8") or "")
    assert engine.unsupported(MODEL, a100, "gptq-4") is None


def test_a_build_runs_on_its_own_kind_only() -> None:
    assert "runs on cpu only" in (Vllm(CPU).unsupported(MODEL, H200, "bf16") or "")
    assert "runs on gpu only" in (Vllm(CARDS).unsupported(MODEL, a_cpu(), "bf16") or "")


def test_a_quantized_checkpoint_is_served_as_it_is() -> None:
    quantized = replace(MODEL, format="int8")
    engine = Vllm(CPU)
    assert engine.unsupported(quantized, a_cpu(), "w8a8") is None
    assert "w8a8 already" in (engine.unsupported(quantized, a_cpu(), "bf16") or "")


def test_a_model_without_a_chat_template_is_refused() -> None:
    silent = replace(MODEL, has_chat_template=False)
    assert "chat template" in (Vllm(CPU).unsupported(silent, a_cpu(), "bf16") or "")


def test_each_format_has_one_row_per_kind_with_a_source() -> None:
    rows = [(row.format, row.kind) for row in SUPPORT]
    assert len(set(rows)) == len(rows) == 2 * len({row.format for row in SUPPORT})
    assert all("vLLM 0.32, " in row.source and ".py" in row.source for row in SUPPORT)


@pytest.mark.parametrize("build", [CPU, CARDS], ids=["processor", "cards"])
def test_a_missing_compiler_is_named_with_its_fix(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (need,) = Vllm(build).needs()
    assert need.found is None
    assert "compiler" in need.name
    assert "apt-get install" in need.fix


def test_all_cores_are_those_that_engines_are_kept_to(tmp_path: Path) -> None:
    kept = replace(a_cpu(cores=8), engine_cores=(2, 3, 5))
    spec = launch(tmp_path, place=kept, all_cores=True)
    assert spec.env["VLLM_CPU_OMP_THREADS_BIND"] == "2,3,5"
