"""bf16 against fp8 on a card: the shape of a real model, with weights that the engine makes up."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Paceline

from paceline.adapters.engines.vllm import Vllm
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.app.wiring import Workshop
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact
from paceline.records.model import Model
from paceline.records.variant import Variant

pytestmark = [pytest.mark.e2e, pytest.mark.gpu, pytest.mark.enable_socket]

SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "eos_token_id": 2,
}
"""config.json of Llama 3.1 8B, with a context that leaves room for many requests."""
SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "head_dim": 64}
PARAMETERS = 8_030_261_248
LOAD = (
    *("--concurrency", "64", "--duration", "20s"),
    *("--input-tokens", "512", "--output-tokens", "128", "--json"),
)
LEAST_GAIN = 1.15
"""Weights in half the bytes, where steps wait for memory; what is left of that beside attention."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A folder with everything but the weights, which would take 16 GB to write and to read."""
    folder = tmp_path_factory.mktemp("model")
    small = {**SHAPE, **SMALL, "num_attention_heads": 1, "num_key_value_heads": 1}
    (folder / "config.json").write_text(json.dumps(small))
    hub = LocalHub(folder / "cache")
    made = hub.synthesize(str(folder), folder / "llama-8b", dtype="bf16", seed=0)
    for weights in Path(made.folder).glob("*.safetensors*"):
        weights.unlink()
    config = Path(made.folder) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **SHAPE}))
    counts = {"layers": 32, "hidden_size": 4096, "kv_heads": 8, "head_size": 128}
    return replace(made, files=(), parameters=PARAMETERS, **counts)  # type: ignore[arg-type]


def loaded(model: Model, format_: str, folder: Path) -> dict[str, Any]:
    """What `paceline bench` says of vLLM with this format on the first card."""
    engine, executor, spec = Vllm(), LocalExecutor(), Vllm().environment()
    assert spec is not None
    environment = Workshop().environments.status(spec).environment
    assert environment is not None, "paceline engines install vllm"
    place = next(a for a in executor.inventory() if a.kind is AcceleratorKind.GPU)
    with executor.start(
        lambda port: engine.launch(
            Variant(accelerator=place.name, count=1, format=format_, engine=engine.name),
            Artefact(folder=model.folder, format=format_, sha256="0" * 64, size_bytes=0),
            model=model,
            environment=environment,
            accelerator=place,
            port=port,
        ),
        log_path=folder / f"{format_}.log",
    ) as server:
        end = server.wait_ready()
        assert end is None, end.log_tail
        paceline = Paceline(folder, shared_cache=True)
        done = paceline("bench", server.base_url, "--model", server.spec.model_name, *LOAD)
    assert done.code == 0, done.err
    return done.document


def test_fp8_outruns_bf16_where_the_card_multiplies_it(model: Model, tmp_path: Path) -> None:
    found = {format_: loaded(model, format_, tmp_path) for format_ in ("bf16", "fp8")}
    for document in found.values():
        assert document["client"]["verdict"] == "ok", document["client"]["reasons"]
        assert document["requests"]["failed"] == 0
    rates = {name: document["output_tokens_per_s"] for name, document in found.items()}
    print(json.dumps(rates))  # noqa: T201 - for docs/log.md: pytest -s
    assert rates["fp8"] >= LEAST_GAIN * rates["bf16"]
