import re
from pathlib import Path

import pytest

from paceline.adapters.hub.local.architectures import (
    ARCHITECTURES,
    architecture_of,
    sizes_of,
)
from paceline.errors import Code, SpecError
from paceline.testing.hubs import CONFIG


def test_class_name_decides_and_model_type_stands_in() -> None:
    assert architecture_of({"architectures": ["Qwen3ForCausalLM"]}) == "Qwen3ForCausalLM"
    assert architecture_of({"model_type": "mistral"}) == "MistralForCausalLM"


def test_unknown_class_is_refused_even_when_the_model_type_is_known() -> None:
    with pytest.raises(SpecError) as caught:
        architecture_of({"architectures": ["LlamaForTokenClassification"], "model_type": "llama"})
    assert caught.value.code is Code.UNKNOWN_ARCHITECTURE
    assert "'LlamaForCausalLM'" in caught.value.why


def test_every_row_reads_a_config_that_names_all_its_sizes() -> None:
    for name, row in ARCHITECTURES.items():
        config = {
            "architectures": [name],
            row.layers_key: 3,
            row.hidden_key: 64,
            row.heads_key: 8,
            row.context_key: 512,
            "num_key_value_heads": 2,
            "head_dim": 16,
        }
        sizes = sizes_of(config)
        assert (sizes.layers, sizes.hidden_size, sizes.heads) == (3, 64, 8)
        assert (sizes.kv_heads, sizes.head_size, sizes.max_context_tokens) == (2, 16, 512)


def test_llama_without_kv_heads_has_as_many_as_heads() -> None:
    config = {key: value for key, value in CONFIG.items() if key != "num_key_value_heads"}
    sizes = sizes_of(config)
    assert (sizes.kv_heads, sizes.head_size) == (4, 4)


@pytest.mark.parametrize(
    ("architecture", "key"),
    [("MistralForCausalLM", "num_key_value_heads"), ("Qwen3ForCausalLM", "head_dim")],
)
def test_size_with_another_default_is_not_guessed(architecture: str, key: str) -> None:
    config = {**CONFIG, "architectures": [architecture], "head_dim": 4, key: None}
    with pytest.raises(SpecError, match=f"lacks '{key}'"):
        sizes_of(config)


@pytest.mark.parametrize("value", [0, -1, "12", 1.5, True])
def test_size_that_is_no_positive_integer_is_shown(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        sizes_of({**CONFIG, "num_hidden_layers": value})
    assert "'num_hidden_layers'" in caught.value.what
    assert repr(value) in caught.value.why


def test_context_that_is_not_stated_stays_unknown() -> None:
    assert sizes_of({**CONFIG, "max_position_embeddings": None}).max_context_tokens is None


def test_the_guide_lists_every_architecture() -> None:
    guide = (Path(__file__).parents[5] / "docs/guides/models.md").read_text()
    listed = guide.split("Architectures:")[1].split("Not yet:")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(ARCHITECTURES)


def test_fewer_types_of_layers_than_layers_are_refused_with_both_numbers() -> None:
    config = {**CONFIG, "layer_types": ["full_attention"] * 3}
    with pytest.raises(SpecError, match="'layer_types' is too short") as caught:
        sizes_of(config | {"num_hidden_layers": 4})
    assert caught.value.code is Code.BAD_MODEL
    assert caught.value.why == "it has 3 entries, and num_hidden_layers is 4"
    assert sizes_of(config | {"num_hidden_layers": 3}).layers == 3
    assert sizes_of(config | {"num_hidden_layers": 2}).layers == 2
