"""Counts against published figures, per architecture."""

import pytest

from paceline.errors import Code, SpecError
from paceline.plan.facts.models import known_shapes
from paceline.plan.shapes import Mixer, ShapeKind, read_shape

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("name", "parameters_b", "active_b", "kv_elements"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", 8.03, None, 65536),
        ("Qwen/Qwen3-0.6B", 0.596, None, 57344),
        ("Qwen/Qwen3-235B-A22B", 235.09, 22.0, 96256),
        ("mistralai/Mixtral-8x7B-v0.1", 46.70, 12.9, 65536),
        ("deepseek-ai/DeepSeek-V3", 671.03, 37.0, 35136),
        ("moonshotai/Kimi-K2-Instruct", 1026.4, 32.0, 35136),
        ("openai/gpt-oss-120b", 116.83, 5.1, 36864),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 400.7, 17.0, None),
        ("bigscience/bloom", 176.25, None, 2007040),
        ("tiiuae/falcon-180B", 179.52, None, 81920),
        ("EleutherAI/gpt-j-6b", 6.05, None, 229376),
        ("bigcode/starcoder", 15.52, None, 10240),
        ("BAAI/bge-m3", 0.568, None, 0),
        ("openai/whisper-large-v3", 1.543, None, None),
        ("black-forest-labs/FLUX.1-dev", 11.9, None, 0),
        ("stabilityai/stable-diffusion-xl-base-1.0", 2.567, None, 0),
    ],
)
def test_counts_equal_the_published_ones(
    name: str, parameters_b: float, active_b: float | None, kv_elements: int | None
) -> None:
    shape = known_shapes()[name]
    assert shape.parameters / 1e9 == pytest.approx(parameters_b, rel=0.012)
    if active_b is not None:
        assert shape.active_parameters / 1e9 == pytest.approx(active_b, rel=0.08)
    if kv_elements is not None:
        assert shape.kv_elements_per_token() == kv_elements


def test_tied_embeddings_are_counted_once() -> None:
    separate = read_shape(LLAMA_8B)
    tied = read_shape(LLAMA_8B | {"tie_word_embeddings": True})
    assert separate.parameters - tied.parameters == 128256 * 4096
    assert separate.active_parameters == tied.active_parameters


def test_a_window_bounds_what_long_contexts_keep() -> None:
    windowed = read_shape(LLAMA_8B | {"model_type": "mistral", "sliding_window": 4096})
    assert windowed.kv_elements_per_token(4096) == 65536
    assert windowed.kv_elements_per_token(16384) == 65536 / 4


def test_a_hybrid_keeps_a_fixed_state_beside_few_attention_layers() -> None:
    shape = known_shapes()["Qwen/Qwen3.5-35B-A3B"]
    kinds = {group.mixer: group.layers for group in shape.mixers}
    assert kinds == {Mixer.STATE: 30, Mixer.FULL: 10}
    assert shape.state_elements() > 0
    assert shape.parameters / 1e9 == pytest.approx(35, rel=0.03)


def test_state_space_layers_spelled_as_words_equal_those_spelled_as_letters() -> None:
    base = {
        "model_type": "nemotron_h", "hidden_size": 2688, "vocab_size": 131072,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128,
        "mamba_num_heads": 64, "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8,
        "n_routed_experts": 128, "num_experts_per_tok": 6, "moe_intermediate_size": 1856,
        "moe_shared_expert_intermediate_size": 3712, "intermediate_size": 1856,
    }  # fmt: skip
    letters = read_shape(base | {"num_hidden_layers": 3, "hybrid_override_pattern": "ME*"})
    words = read_shape(base | {"layers_block_type": ["mamba", "moe", "attention"]})
    assert letters == words


def test_a_nested_text_config_is_the_model() -> None:
    assert read_shape({"model_type": "qwen3_vl", "text_config": LLAMA_8B}) == read_shape(LLAMA_8B)


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="'perceiver'") as caught:
        read_shape({"model_type": "perceiver", "hidden_size": 8})
    assert caught.value.code is Code.UNKNOWN_ARCHITECTURE


def test_a_missing_size_names_the_key() -> None:
    broken = {key: value for key, value in LLAMA_8B.items() if key != "hidden_size"}
    with pytest.raises(SpecError, match="hidden_size"):
        read_shape(broken)


def test_every_shipped_model_has_a_shape_and_kind() -> None:
    shapes = known_shapes()
    assert len(shapes) > 200
    assert {shape.kind for shape in shapes.values()} == set(ShapeKind)


@pytest.mark.parametrize("off", [0, -1, None])
def test_a_window_that_is_switched_off_keeps_every_token(off: int | None) -> None:
    config = LLAMA_8B | {"model_type": "mistral", "sliding_window": off}
    assert read_shape(config).kv_elements_per_token(100_000) == 65536


def test_a_number_that_is_none_is_said_to_be_missing() -> None:
    with pytest.raises(SpecError, match="hidden_size"):
        read_shape(LLAMA_8B | {"hidden_size": float("nan")})


def test_more_experts_per_token_than_experts_are_refused() -> None:
    config = {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 16}
    with pytest.raises(SpecError) as found:
        read_shape(LLAMA_8B | config)
    assert "16 experts per token > 8" in found.value.why


@pytest.mark.parametrize(
    ("key", "short"),
    [
        ("layer_types", ["full_attention"] * 31),
        ("hybrid_override_pattern", "M" * 31),
        ("hybrid_layer_pattern", [0] * 31),
    ],
)
def test_a_list_of_layers_that_is_too_short_is_refused_with_both_numbers(
    key: str, short: object
) -> None:
    with pytest.raises(SpecError, match=key) as caught:
        read_shape(LLAMA_8B | {key: short})
    assert caught.value.code is Code.BAD_MODEL
    assert "31 entries" in caught.value.why
    assert "num_hidden_layers is 32" in caught.value.why


def test_layers_beyond_the_last_are_those_that_guess_ahead() -> None:
    longer = LLAMA_8B | {"layer_types": ["full_attention"] * 33}
    assert read_shape(longer) == read_shape(LLAMA_8B)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"num_hidden_layers": 99_999}, "10,000"),
        ({"num_hidden_layers": 1e300}, "lacks 'num_hidden_layers'"),
        ({"hidden_size": 10**400}, "lacks 'hidden_size'"),
        ({"block_configs": [[]]}, "1 entries"),
        ({"block_configs": [{"attention": 3}]}, "1 entries"),
        ({"block_configs": [{"ffn": {}}] * 32}, "ffn_mult"),
        ({"_class_name": {}, "hidden_size": 0}, "hidden_size"),
    ],
)
def test_nonsense_is_refused_as_such(damage: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_shape(LLAMA_8B | damage)


def test_a_searched_width_is_stated_or_a_multiple() -> None:
    attention = {"n_heads_in_group": 4}
    by_multiple = {"attention": attention, "ffn": {"ffn_mult": 5.25}}
    stated = {"attention": attention, "ffn": {"intermediate_size": 14336}}
    assert read_shape(LLAMA_8B | {"block_configs": [by_multiple] * 32}) == read_shape(LLAMA_8B)
    assert read_shape(LLAMA_8B | {"block_configs": [stated] * 32}) == read_shape(LLAMA_8B)
