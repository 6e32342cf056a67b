import pytest

from paceline.adapters.hub.local.dense import LM_HEAD, dense_tensors
from paceline.testing.hubs import CONFIG, PARAMETERS, SHAPES


def test_llama_tensors_are_those_of_the_checkpoint() -> None:
    assert {tensor.name: tensor.shape for tensor in dense_tensors(CONFIG)} == dict(SHAPES)
    assert sum(tensor.elements for tensor in dense_tensors(CONFIG)) == PARAMETERS


def test_untied_output_has_a_head_of_its_own() -> None:
    untied = {tensor.name for tensor in dense_tensors({**CONFIG, "tie_word_embeddings": False})}
    assert untied - set(SHAPES) == {LM_HEAD}


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({"architectures": ["MistralForCausalLM"]}, set()),
        (
            {"architectures": ["Qwen2ForCausalLM"]},
            {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"},
        ),
        (
            {"architectures": ["Qwen3ForCausalLM"], "head_dim": 4},
            {"self_attn.q_norm.weight", "self_attn.k_norm.weight"},
        ),
        (
            {"attention_bias": True},
            {f"self_attn.{name}_proj.bias" for name in ("q", "k", "v", "o")},
        ),
        ({"mlp_bias": True}, {f"mlp.{name}_proj.bias" for name in ("gate", "up", "down")}),
    ],
)
def test_families_differ_in_biases_and_norms(change: dict[str, object], more: set[str]) -> None:
    names = {tensor.name for tensor in dense_tensors({**CONFIG, **change})}
    assert names - set(SHAPES) == {f"model.layers.0.{name}" for name in more}


def test_head_size_need_not_divide_the_hidden_size() -> None:
    shapes = {
        tensor.name: tensor.shape
        for tensor in dense_tensors(
            {**CONFIG, "architectures": ["Qwen3ForCausalLM"], "head_dim": 10}
        )
    }
    assert shapes["model.layers.0.self_attn.q_proj.weight"] == (40, 16)
    assert shapes["model.layers.0.self_attn.k_proj.weight"] == (20, 16)
    assert shapes["model.layers.0.self_attn.o_proj.weight"] == (16, 40)
