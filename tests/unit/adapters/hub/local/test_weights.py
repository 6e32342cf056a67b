import json
from pathlib import Path

import pytest

from paceline.adapters.hub.local.quantization import Quantization
from paceline.adapters.hub.local.safetensors import Tensor
from paceline.adapters.hub.local.weights import (
    Weights,
    check_complete,
    count_parameters,
    format_of,
    read_weights,
)
from paceline.errors import Code, SpecError
from paceline.testing.hubs import (
    CONFIG,
    PARAMETERS,
    SHAPES,
    write_model,
    write_safetensors,
    write_shards,
)

INT4 = Quantization(format="gptq", weight_bits=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "acme")


def refusal(folder: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_weights(folder)
    return caught.value


def held(*tensors: tuple[str, str, tuple[int, ...]]) -> Weights:
    return Weights(
        files=(),
        tensors=tuple(
            Tensor(name=name, dtype=dtype, shape=shape) for name, dtype, shape in tensors
        ),
    )


def test_shards_are_read_through_the_index(folder: Path) -> None:
    whole = read_weights(folder)
    shards = write_shards(folder)
    weights = read_weights(folder)
    assert [path.name for path in weights.files] == list(shards)
    assert set(weights.tensors) == set(whole.tensors)


def test_a_missing_shard_is_named(folder: Path) -> None:
    _, second = write_shards(folder)
    (folder / second).unlink()
    error = refusal(folder)
    assert repr(second) in error.what
    assert "names 2 shards, 1 are there" in error.why


def test_a_tensor_the_index_places_in_another_shard_is_named(folder: Path) -> None:
    first, _ = write_shards(folder)
    write_safetensors(folder / first, {"model.embed_tokens.weight": (64, 16)})
    error = refusal(folder)
    assert first in error.why
    assert "input_layernorm" in error.why


@pytest.mark.parametrize("placed", [None, {}, [], {"a": "../other/model.safetensors"}])
def test_an_index_that_is_no_map_to_files_is_refused(folder: Path, placed: object) -> None:
    write_shards(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert refusal(folder).code is Code.BAD_MODEL


def test_shards_without_an_index_need_one(folder: Path) -> None:
    write_shards(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert refusal(folder).fix == "fetch model.safetensors.index.json too"


def test_pickle_is_refused_with_the_way_to_convert(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    error = refusal(folder)
    assert "pytorch_model.bin" in error.what
    assert "save_pretrained" in error.fix


def test_adapter_is_told_apart(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    assert refusal(folder).code is Code.UNSUPPORTED


def test_dense_model_lacks_no_tensor(folder: Path) -> None:
    check_complete(read_weights(folder), CONFIG, quantized=False)
    fewer = {name: shape for name, shape in SHAPES.items() if "k_proj" not in name}
    write_safetensors(folder / "model.safetensors", fewer)
    with pytest.raises(SpecError, match=r"k_proj\.weight") as caught:
        check_complete(read_weights(folder), CONFIG, quantized=False)
    assert "implies 11 tensors, 10 of them are there" in caught.value.why


def test_shape_that_contradicts_the_config_shows_both(folder: Path) -> None:
    with pytest.raises(SpecError) as caught:
        check_complete(read_weights(folder), {**CONFIG, "num_key_value_heads": 4}, quantized=False)
    assert "its shape is [8, 16]; config.json implies [16, 16]" in caught.value.why


def test_other_models_lack_no_layer() -> None:
    config = {**CONFIG, "architectures": ["MixtralForCausalLM"], "num_hidden_layers": 3}
    weights = held(
        ("model.layers.0.x.weight", "BF16", (1,)), ("model.layers.2.x.weight", "BF16", (1,))
    )
    with pytest.raises(SpecError, match="lack '1'") as caught:
        check_complete(weights, config, quantized=False)
    assert "implies 3 layers, 2 of them are there" in caught.value.why


def test_parameters_of_plain_weights_are_the_elements(folder: Path) -> None:
    assert count_parameters(read_weights(folder), CONFIG, None) == PARAMETERS


def test_stored_output_head_of_a_tied_model_counts_once() -> None:
    weights = held(
        ("model.embed_tokens.weight", "BF16", (64, 16)), ("lm_head.weight", "BF16", (64, 16))
    )
    assert count_parameters(weights, CONFIG, None) == 1024
    assert count_parameters(weights, {**CONFIG, "tie_word_embeddings": False}, None) == 2048


def test_packed_integers_count_as_the_weights_inside_and_scales_do_not() -> None:
    weights = held(
        ("a.qweight", "I32", (128 // 8, 64)),
        ("a.scales", "F16", (1, 64)),
        ("a.qzeros", "I32", (1, 8)),
        ("a.g_idx", "I32", (128,)),
        ("norm.weight", "F16", (64,)),
    )
    assert count_parameters(weights, CONFIG, INT4) == 128 * 64 + 64


def test_buffers_are_no_parameters() -> None:
    weights = held(
        ("h.0.attn.bias", "F32", (1, 1, 32, 32)),
        ("h.0.attn.c_attn.bias", "F32", (96,)),
        ("layers.0.rotary_emb.inv_freq", "F32", (16,)),
    )
    assert count_parameters(weights, CONFIG, None) == 96


def test_format_is_that_of_most_bytes() -> None:
    weights = held(("a.weight", "BF16", (100,)), ("b.weight", "F32", (10,)))
    assert format_of(weights, None) == "bf16"
    assert format_of(weights, INT4) == "gptq"


@pytest.mark.parametrize("dtype", ["I32", "F64"])
def test_dtype_that_nothing_serves_is_refused(dtype: str) -> None:
    with pytest.raises(SpecError, match=f"stored as {dtype}"):
        format_of(held(("a.weight", dtype, (10,))), None)
