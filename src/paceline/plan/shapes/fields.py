"""Reading config.json: one meaning, many spellings.

Covers the spellings of the architectures listed in `paceline.plan.shapes.families`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from paceline.errors import Code, SpecError

Config = Mapping[str, object]
MOST: Final = 10**12
"""What is larger is no size of a model."""

NESTED = ("text_config", "llm_config", "language_config", "language_model")
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "layers": ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers"),
    "heads": ("num_attention_heads", "num_heads", "n_head", "n_heads", "encoder_attention_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "multi_query_group_num"),
    "head_size": ("head_dim", "attention_head_dim", "kv_channels", "head_size"),
    "mlp": (
        "intermediate_size",
        "ffn_hidden_size",
        "ffn_dim",
        "n_inner",
        "encoder_ffn_dim",
        "hidden_dim",
    ),
    "vocab": ("vocab_size", "padded_vocab_size"),
    "context": ("max_position_embeddings", "seq_length", "n_positions", "max_position", "n_ctx"),
    "experts": ("n_routed_experts", "num_experts", "num_local_experts"),
    "top_k": (
        "num_experts_per_tok",
        "num_experts_per_token",
        "experts_per_token",
        "top_k_experts",
        "experts_per_tok",
        "moe_top_k",
    ),
    "expert_mlp": ("moe_intermediate_size", "expert_intermediate_size"),
    "shared_experts": ("n_shared_experts", "num_shared_experts"),
    "ssm_heads": ("mamba_num_heads", "mamba_n_heads"),
    "ssm_head_size": ("mamba_head_dim", "mamba_d_head"),
    "ssm_state": ("ssm_state_size", "mamba_d_state"),
    "ssm_groups": ("n_groups", "mamba_n_groups"),
}


BLOCK_LETTERS: Mapping[str, str] = {"mamba": "M", "attention": "*", "moe": "E", "mlp": "-"}


def text_part(config: Config) -> Config:
    """The language model's part of a config that nests it, with spelled-out blocks as letters."""
    text: Config = config
    for key in NESTED:
        inner = config.get(key)
        if isinstance(inner, Mapping):
            text = inner
            break
    blocks = strings(text, "layers_block_type")
    if not blocks:
        return text
    pattern = "".join(BLOCK_LETTERS.get(block, "*") for block in blocks)
    return {**text, "num_hidden_layers": len(blocks), "hybrid_override_pattern": pattern}


def integer(config: Config, meaning: str) -> int | None:
    """The first spelling of `meaning` that is set, as an integer."""
    for key in SPELLINGS.get(meaning, (meaning,)):
        value = config.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if abs(value) < MOST:  # json reads NaN and Infinity, too
            return int(value)
    return None


def needed(config: Config, meaning: str) -> int:
    """Like `integer`.

    Raises:
        SpecError: none of the spellings is there; the message lists them.
    """
    value = integer(config, meaning)
    if value is None or value <= 0:
        spellings = SPELLINGS.get(meaning, (meaning,))
        raise SpecError(
            Code.BAD_MODEL,
            f"config.json of a {config.get('model_type')!r} model lacks {spellings[0]!r}",
            why=f"found {'nothing' if value is None else value}; its shape needs a positive number"
            f" under one of {', '.join(spellings)}",
            fix="add the key, or name a model whose config.json is complete",
        )
    return value


def strings(config: Config, key: str) -> tuple[str, ...]:
    """A list of words, empty when absent."""
    value = config.get(key)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    return tuple(str(item) for item in value)


def integers(config: Config, key: str) -> tuple[int, ...]:
    """A list of numbers, empty when absent."""
    value = config.get(key)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    return tuple(int(item) for item in value if isinstance(item, int | float))
