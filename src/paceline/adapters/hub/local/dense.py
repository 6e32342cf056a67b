"""The tensors of dense Llama-shaped decoders, name by name.

Covers Llama, Mistral, Qwen2 and Qwen3. Source: the modules of transformers 5.23.0,
`models/{llama,mistral,qwen2,qwen3}/modeling_*.py`; linear weights are `[out, in]`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.adapters.hub.local.architectures import architecture_of, needed, sizes_of
from paceline.adapters.hub.local.json_files import JsonObject

LM_HEAD: Final = "lm_head.weight"


class Role(StrEnum):
    """What a tensor does, which decides how it is initialized."""

    EMBEDDING = "embedding"  # one row per token, of the input or of the output
    PROJECTION = "projection"
    RESIDUAL = "residual"  # the projections that add to the residual stream
    NORM = "norm"
    BIAS = "bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseTensor:
    """A tensor that a checkpoint of this shape must hold."""

    name: str
    shape: tuple[int, ...]
    role: Role

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traits:
    qkv_bias: bool | None = False
    """`None`: as `attention_bias` in config.json says."""
    output_bias: bool | None = False
    mlp_bias: bool | None = False
    head_norms: bool = False


DENSE: Final[Mapping[str, _Traits]] = {
    "LlamaForCausalLM": _Traits(qkv_bias=None, output_bias=None, mlp_bias=None),
    "MistralForCausalLM": _Traits(),
    "Qwen2ForCausalLM": _Traits(qkv_bias=True),
    "Qwen3ForCausalLM": _Traits(qkv_bias=None, output_bias=None, head_norms=True),
}


def dense_tensors(config: JsonObject) -> tuple[DenseTensor, ...]:
    """Every tensor of the model that `config` (of an architecture in `DENSE`) describes.

    Raises SpecError when config.json lacks a size.
    """
    hidden = needed(config, "hidden_size")
    vocabulary = needed(config, "vocab_size")
    embedding = (vocabulary, hidden)
    tensors = [_tensor("model.embed_tokens.weight", embedding, Role.EMBEDDING)]
    for layer in range(sizes_of(config).layers):
        tensors += _layer(config, f"model.layers.{layer}", hidden)
    tensors.append(_tensor("model.norm.weight", (hidden,), Role.NORM))
    if not config.get("tie_word_embeddings", False):
        tensors.append(_tensor(LM_HEAD, embedding, Role.EMBEDDING))
    return tuple(tensors)


def _layer(config: JsonObject, prefix: str, hidden: int) -> Iterator[DenseTensor]:
    yield _tensor(f"{prefix}.input_layernorm.weight", (hidden,), Role.NORM)
    yield from _attention(config, f"{prefix}.self_attn", hidden)
    yield _tensor(f"{prefix}.post_attention_layernorm.weight", (hidden,), Role.NORM)
    yield from _mlp(config, f"{prefix}.mlp", hidden)


def _attention(config: JsonObject, prefix: str, hidden: int) -> Iterator[DenseTensor]:
    sizes, traits = sizes_of(config), DENSE[architecture_of(config)]
    query, key = sizes.heads * sizes.head_size, sizes.kv_heads * sizes.head_size
    qkv_bias = _bias(config, traits.qkv_bias, "attention_bias")
    for name, width in (("q_proj", query), ("k_proj", key), ("v_proj", key)):
        yield from _linear(f"{prefix}.{name}", width, hidden, Role.PROJECTION, bias=qkv_bias)
    output_bias = _bias(config, traits.output_bias, "attention_bias")
    yield from _linear(f"{prefix}.o_proj", hidden, query, Role.RESIDUAL, bias=output_bias)
    if traits.head_norms:
        yield _tensor(f"{prefix}.q_norm.weight", (sizes.head_size,), Role.NORM)
        yield _tensor(f"{prefix}.k_norm.weight", (sizes.head_size,), Role.NORM)


def _mlp(config: JsonObject, prefix: str, hidden: int) -> Iterator[DenseTensor]:
    width = needed(config, "intermediate_size")
    bias = _bias(config, DENSE[architecture_of(config)].mlp_bias, "mlp_bias")
    yield from _linear(f"{prefix}.gate_proj", width, hidden, Role.PROJECTION, bias=bias)
    yield from _linear(f"{prefix}.up_proj", width, hidden, Role.PROJECTION, bias=bias)
    yield from _linear(f"{prefix}.down_proj", hidden, width, Role.RESIDUAL, bias=bias)


def _linear(prefix: str, out: int, into: int, role: Role, *, bias: bool) -> Iterator[DenseTensor]:
    yield _tensor(f"{prefix}.weight", (out, into), role)
    if bias:
        yield _tensor(f"{prefix}.bias", (out,), Role.BIAS)


def _bias(config: JsonObject, always: bool | None, key: str) -> bool:
    return bool(config.get(key)) if always is None else always


def _tensor(name: str, shape: tuple[int, ...], role: Role) -> DenseTensor:
    return DenseTensor(name=name, shape=shape, role=role)
