"""The feed-forward half of each layer: dense, or routed experts with shared ones beside them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.shapes.families import Family
from paceline.plan.shapes.fields import Config, integer, integers, needed

GATED: Final = 3
PLAIN: Final = 2
DENSE_WIDTHS: Final = (
    "intermediate_size_mlp",
    "dense_intermediate_size",
    "shared_intermediate_size",  # Granite 4 without experts: the shared MLP is all there is
)
MLP_MULTIPLE: Final = 4  # transformer default where config.json gives no width


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """Parameters of all layers, by how often a step touches them."""

    always: int
    """Dense layers, shared experts and routers."""
    routed: int
    routed_active: int
    """The part of `routed` that one token uses."""
    experts: int
    experts_per_token: int
    moe_layers: int


def feed_forward(config: Config, family: Family) -> FeedForward:
    """Count the feed-forward parameters of every layer."""
    hidden = needed(config, "hidden")
    matrices = GATED if family.gated_mlp else PLAIN
    experts = _experts(config)
    moe, dense = _layers(config, experts)
    always = dense * _dense_width(config) * matrices * hidden
    blocks = config.get("block_configs")
    if isinstance(blocks, list):
        always = sum(_searched_width(block, hidden) for block in blocks) * matrices * hidden
    if family.biases:
        always += dense * (_dense_width(config) + hidden)
    if not moe:
        return FeedForward(
            always=always, routed=0, routed_active=0, experts=0, experts_per_token=0, moe_layers=0
        )
    width = integer(config, "expert_mlp") or needed(config, "mlp")
    latent = integer(config, "routed_expert_hidden_size") or integer(config, "moe_latent_size")
    one = matrices * (latent or hidden) * width
    always += moe * (hidden * experts + _shared_width(config, width) * matrices * hidden)
    if latent:
        always += moe * 2 * hidden * latent
    top_k = needed(config, "top_k")
    if top_k > experts:
        raise SpecError(
            Code.BAD_MODEL,
            f"config.json of a {config.get('model_type')!r} model asks for too many experts",
            why=f"{top_k} experts per token > {experts} experts",
            fix="correct the number of experts per token",
        )
    return FeedForward(
        always=always,
        routed=moe * experts * one,
        routed_active=moe * top_k * one,
        experts=experts,
        experts_per_token=top_k,
        moe_layers=moe,
    )


def _experts(config: Config) -> int:
    if config.get("enable_moe_block") is False:
        return 0
    count = integer(config, "experts") or 0
    return count if count > 1 else 0


def _layers(config: Config, experts: int) -> tuple[int, int]:
    """How many layers are routed and how many dense."""
    layers = needed(config, "layers")
    pattern = config.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        return pattern.count("E"), pattern.count("-")
    if not experts:
        return 0, layers
    flags = integers(config, "moe_layer_freq")
    if flags:
        return sum(1 for flag in flags[:layers] if flag), sum(1 for f in flags[:layers] if not f)
    first_dense = integer(config, "first_k_dense_replace") or integer(config, "first_k_dense") or 0
    only = set(integers(config, "mlp_only_layers"))
    step = (
        integer(config, "interleave_moe_layer_step")
        or integer(config, "decoder_sparse_step")
        or integer(config, "moe_every_n_layers")
        or integer(config, "moe_layer_freq")
        or 1
    )
    routed = sum(
        1 for i in range(layers) if i >= first_dense and i not in only and (i + 1) % step == 0
    )
    return routed, layers - routed


def _dense_width(config: Config) -> int:
    for key in DENSE_WIDTHS:
        if width := integer(config, key):
            return width
    return integer(config, "mlp") or MLP_MULTIPLE * needed(config, "hidden")


def _shared_width(config: Config, width: int) -> int:
    """Width of what runs for every token beside the routed experts."""
    for key in (
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "share_expert_dim",
        "shared_intermediate_size",
    ):
        if (stated := integer(config, key)) is not None:
            return stated
    if config.get("model_type") in ("llama4", "llama4_text"):
        return width
    if config.get("enable_moe_block"):  # Gemma 4 keeps its dense MLP in every layer
        return needed(config, "mlp")
    return width * (integer(config, "shared_experts") or 0)


def _searched_width(block: object, hidden: int) -> int:
    """Per-layer MLP width found by architecture search: stated, or a multiple of 2/3 hidden,
    rounded up. Raises SpecError for a block with neither."""
    feed = block.get("ffn") if isinstance(block, Mapping) else None
    feed = feed if isinstance(feed, Mapping) else {}
    if feed.get("no_op"):
        return 0
    if feed.get("replace_with_linear"):
        return hidden // GATED
    if (stated := integer(feed, "intermediate_size")) is not None:
        return stated
    multiple = feed.get("ffn_mult")
    if not isinstance(multiple, int | float) or not math.isfinite(multiple):
        raise SpecError(
            Code.BAD_MODEL,
            "a block of config.json does not say how wide its MLP is",
            why=f"under `block_configs` it has {str(block)[:120]}; `ffn` needs a number"
            " as `ffn_mult` or `intermediate_size`",
            fix="complete the block, or name a model whose config.json is complete",
        )
    return -(-int(2 * multiple * hidden / 3) // 256) * 256
