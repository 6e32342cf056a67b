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


ENCODERS = {
    # 66,362,880 in DistilBertModel of transformers, 66 M in arXiv 1910.01108
    "distilbert-base-uncased": (66.4e6, {
        "model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_heads": 12, "n_layers": 6,
        "vocab_size": 30522, "max_position_embeddings": 512,
    }),
    # 149 M on its model card and in arXiv 2412.13663; positions are rotary
    "answerdotai/ModernBERT-base": (149e6, {
        "model_type": "modernbert", "hidden_size": 768, "intermediate_size": 1152,
        "num_attention_heads": 12, "num_hidden_layers": 22, "vocab_size": 50368,
        "max_position_embeddings": 8192,
    }),
    # 137 M on its model card and in arXiv 2402.01613; positions are rotary
    "nomic-ai/nomic-embed-text-v1.5": (137e6, {
        "model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "n_inner": 3072, "n_layer": 12,
        "n_positions": 8192, "vocab_size": 30528, "activation_function": "swiglu",
    }),
    # 475 M, of which 305 M are active, on its model card and in arXiv 2502.07972
    "nomic-ai/nomic-embed-text-v2-moe": (475e6, {
        "model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "n_inner": 3072, "n_layer": 12,
        "n_positions": 2048, "vocab_size": 250048, "activation_function": "gelu",
        "num_experts": 8, "moe_top_k": 2, "moe_every_n_layers": 2,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_have_the_published_number_of_parameters(name: str) -> None:
    published, config = ENCODERS[name]
    shape = read_shape(config)
    assert shape.kind is ShapeKind.ENCODER
    assert shape.parameters == pytest.approx(published, rel=0.004)
    assert shape.kv_elements_per_token() == 0


def test_an_encoder_of_experts_uses_few_of_them_for_a_token() -> None:
    """Published: 305 M active, with the table of 192 M, of which a token reads one row."""
    shape = read_shape(ENCODERS["nomic-ai/nomic-embed-text-v2-moe"][1])
    assert shape.active_parameters + shape.embedding_parameters == pytest.approx(305e6, rel=0.004)
    assert (shape.experts, shape.experts_per_token, shape.moe_layers) == (8, 2, 6)


GRANITE_LAYERS = (["mamba"] * 5 + ["attention"] + ["mamba"] * 4) * 4
HYBRIDS = {
    # 32 B with 9 B active on its model card
    "ibm-granite/granite-4.0-h-small": (32.2e9, 9e9, {
        "model_type": "granitemoehybrid", "hidden_size": 4096, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 768,
        "shared_intermediate_size": 1536, "num_local_experts": 72, "num_experts_per_tok": 10,
        "mamba_n_heads": 128, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1,
        "vocab_size": 100352, "tie_word_embeddings": True, "layer_types": GRANITE_LAYERS,
    }),
    # 3 B on its model card; no experts, the shared MLP alone
    "ibm-granite/granite-4.0-h-micro": (3.19e9, 3.19e9, {
        "model_type": "granitemoehybrid", "hidden_size": 2048, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 1,
        "shared_intermediate_size": 8192, "num_local_experts": 0, "num_experts_per_tok": 0,
        "mamba_n_heads": 64, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1,
        "vocab_size": 100352, "tie_word_embeddings": True, "layer_types": GRANITE_LAYERS,
    }),
    # 9.78 B on its model card
    "ibm-ai-platform/Bamba-9B": (9.78e9, None, {
        "model_type": "bamba", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "attn_layer_indices": [9, 18, 27], "mamba_n_heads": 128, "mamba_d_head": 64,
        "mamba_d_state": 128, "mamba_n_groups": 1, "vocab_size": 128256,
        "tie_word_embeddings": False,
    }),
    # 521 M on its model card; attention and state space side by side in every layer
    "tiiuae/Falcon-H1-0.5B-Base": (0.521e9, None, {
        "model_type": "falcon_h1", "hidden_size": 1024, "num_hidden_layers": 36,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64,
        "intermediate_size": 2048, "attn_layer_indices": None, "mamba_n_heads": 24,
        "mamba_d_head": 64, "mamba_d_ssm": 1536, "mamba_d_state": 128, "mamba_n_groups": 1,
        "vocab_size": 32784, "tie_word_embeddings": False,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", HYBRIDS)
def test_state_space_hybrids_have_the_published_number_of_parameters(name: str) -> None:
    published, active, config = HYBRIDS[name]
    shape = read_shape(config)
    assert shape.parameters == pytest.approx(published, rel=0.005)
    if active is not None:
        assert shape.active_parameters == pytest.approx(active, rel=0.03)


def test_state_space_layers_keep_a_state_and_the_others_keys_and_values() -> None:
    """Per layer heads x head size x state, and four taps of what the convolution sees."""
    small = read_shape(HYBRIDS["ibm-granite/granite-4.0-h-small"][2])
    assert small.kv_elements_per_token() == 4 * 2 * 8 * 128
    assert small.state_elements() == 36 * (128 * 64 * 128 + 4 * (128 * 64 + 2 * 128))
    bamba = read_shape(HYBRIDS["ibm-ai-platform/Bamba-9B"][2])
    assert {group.mixer: group.layers for group in bamba.mixers} == {Mixer.STATE: 29, Mixer.FULL: 3}
    falcon = read_shape(HYBRIDS["tiiuae/Falcon-H1-0.5B-Base"][2])
    assert {g.mixer: g.layers for g in falcon.mixers} == {Mixer.STATE: 36, Mixer.FULL: 36}


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
