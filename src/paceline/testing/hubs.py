"""The contract of the Hub port, and model folders to test it with.

The folders are written byte by byte here, without any writer of Paceline's own, so that a writer
and a reader that agree on the same mistake are found out.
"""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from paceline.errors import Code, SpecError
from paceline.ports.hub import Hub

Shapes = Mapping[str, tuple[int, ...]]
Publish = Callable[[Path], str]

CONFIG: Mapping[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
SHAPES: Shapes = {
    "model.embed_tokens.weight": (64, 16),
    "model.layers.0.input_layernorm.weight": (16,),
    "model.layers.0.self_attn.q_proj.weight": (16, 16),
    "model.layers.0.self_attn.k_proj.weight": (8, 16),
    "model.layers.0.self_attn.v_proj.weight": (8, 16),
    "model.layers.0.self_attn.o_proj.weight": (16, 16),
    "model.layers.0.post_attention_layernorm.weight": (16,),
    "model.layers.0.mlp.gate_proj.weight": (32, 16),
    "model.layers.0.mlp.up_proj.weight": (32, 16),
    "model.layers.0.mlp.down_proj.weight": (16, 32),
    "model.norm.weight": (16,),
}
PARAMETERS = 1024 + 16 + 256 + 128 + 128 + 256 + 16 + 512 + 512 + 512 + 16
DTYPE_BYTES = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "I32": 4, "I8": 1, "U8": 1}


def write_model(
    folder: Path, *, config: Mapping[str, object] = CONFIG, shapes: Shapes = SHAPES
) -> Path:
    """A complete small bf16 model of zeros with a tokenizer; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    write_safetensors(folder / "model.safetensors", shapes)
    return folder


def write_shards(folder: Path, shapes: Shapes = SHAPES) -> tuple[str, str]:
    """Turn the single file of `write_model` into two shards with an index; their names."""
    (folder / "model.safetensors").unlink()
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    names = list(shapes)
    half = len(names) // 2
    write_safetensors(folder / first, {name: shapes[name] for name in names[:half]})
    write_safetensors(folder / second, {name: shapes[name] for name in names[half:]})
    placed = {name: first if i < half else second for i, name in enumerate(names)}
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return first, second


def write_safetensors(path: Path, shapes: Shapes, *, dtype: str = "BF16") -> None:
    """Zeros of these shapes."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        begin = end
        size = DTYPE_BYTES[dtype]
        for length in shape:
            size *= length
        end += size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


class HubContract(ABC):
    """What every hub promises; subclass it with fixtures for yours."""

    @pytest.fixture
    @abstractmethod
    def hub(self, tmp_path: Path) -> Hub:
        """A hub that knows nothing yet."""

    @pytest.fixture
    @abstractmethod
    def publish(self, tmp_path: Path) -> Publish:
        """Makes a folder findable by `hub`, and returns the name to find it by."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_model(tmp_path / "acme")

    def test_counts_come_from_config_and_headers(
        self, hub: Hub, publish: Publish, folder: Path
    ) -> None:
        model = hub.find(publish(folder))
        assert model.architecture == "LlamaForCausalLM"
        assert (model.format, model.parameters) == ("bf16", PARAMETERS)
        assert (model.layers, model.hidden_size) == (1, 16)
        assert (model.kv_heads, model.head_size, model.max_context_tokens) == (2, 4, 128)
        assert model.trained

    def test_every_file_is_there_with_its_hash(
        self, hub: Hub, publish: Publish, folder: Path
    ) -> None:
        model = hub.find(publish(folder))
        assert [file.path for file in model.files] == [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        ]
        for file in model.files:
            path = Path(model.folder) / file.path
            assert file.size_bytes == path.stat().st_size
            assert len(bytes.fromhex(file.sha256)) == 32
        assert model.weight_bytes == (Path(model.folder) / "model.safetensors").stat().st_size

    def test_finding_twice_gives_the_same_model(
        self, hub: Hub, publish: Publish, folder: Path
    ) -> None:
        name = publish(folder)
        assert hub.find(name) == hub.find(name)

    def test_a_changed_file_changes_its_hash(
        self, hub: Hub, publish: Publish, folder: Path, tmp_path: Path
    ) -> None:
        before = hub.find(publish(folder))
        other = shutil.copytree(folder, tmp_path / "changed")
        (other / "tokenizer.json").write_text("{}")
        assert hub.find(publish(other)).sha256 != before.sha256

    def test_an_unknown_name_is_the_users_to_mend(self, hub: Hub) -> None:
        with pytest.raises(SpecError) as caught:
            hub.find("nobody-made-this-model")
        assert caught.value.code is Code.UNKNOWN_NAME

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
    def test_a_folder_that_lacks_a_part_is_refused(
        self, hub: Hub, publish: Publish, folder: Path, name: str
    ) -> None:
        (folder / name).unlink()
        with pytest.raises(SpecError) as caught:
            hub.find(publish(folder))
        assert caught.value.code is Code.BAD_MODEL

    def test_a_truncated_file_is_refused_with_both_lengths(
        self, hub: Hub, publish: Publish, folder: Path
    ) -> None:
        weights = folder / "model.safetensors"
        need = weights.stat().st_size
        weights.write_bytes(weights.read_bytes()[: need - 100])
        with pytest.raises(SpecError) as caught:
            hub.find(publish(folder))
        assert f"{need - 100:,}" in caught.value.why
        assert f"{need:,}" in caught.value.why

    def test_an_unknown_architecture_names_the_nearest(
        self, hub: Hub, publish: Publish, folder: Path
    ) -> None:
        (folder / "config.json").write_text(
            json.dumps({**CONFIG, "architectures": ["Qwen3ForSomethingElse"], "model_type": "x"})
        )
        with pytest.raises(SpecError) as caught:
            hub.find(publish(folder))
        assert caught.value.code is Code.UNKNOWN_ARCHITECTURE
        assert "Qwen3" in caught.value.why
