"""Which layer mixes tokens how, and what each mixer stores and weighs.

Sources of the formulas: the published modelling code of each architecture; grouped-query
attention (arXiv 2305.13245), latent attention (arXiv 2405.04434), gated delta networks
(arXiv 2412.06464), Mamba-2 (arXiv 2405.21060).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.shapes.families import Family
from paceline.plan.shapes.fields import Config, integer, integers, needed, strings
from paceline.plan.shapes.shape import Mixer, MixerGroup

WINDOW_WORDS: Final = frozenset({"sliding_attention", "chunked_attention", "local_attention"})
STATE_WORDS: Final = frozenset({"linear_attention", "mamba", "recurrent"})
MOST_LAYERS: Final = 10_000
CONV_TAPS: Final = 4  # short convolution before every recurrent mixer so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """All mixers of a model and the parameters in them."""

    groups: tuple[MixerGroup, ...]
    parameters: int


def layer_kinds(config: Config, family: Family) -> list[str]:
    """Per layer `full`, `window`, `state`, `none`, or `compressed:RATIO`.

    Raises SpecError for a list with fewer entries than there are layers. More of them are fine:
    some models list the layers that guess ahead as well.
    """
    layers = needed(config, "layers")
    if layers > MOST_LAYERS:
        raise SpecError(
            Code.BAD_MODEL,
            "config.json counts more layers than any model has",
            why=f"num_hidden_layers is {layers:.4g}; Paceline counts up to {MOST_LAYERS:,}",
            fix="correct num_hidden_layers",
        )
    for key, reader in _LISTS.items():
        kinds = reader(config)
        if kinds:
            _refuse_short(key, len(kinds), layers)
            return kinds[:layers]
    interval = integer(config, "full_attention_interval") or 0
    if interval > 0:
        return ["full" if (i + 1) % interval == 0 else "state" for i in range(layers)]
    if integer(config, "attention_chunk_size") and config.get("model_type") in LLAMA4:
        return ["full" if (i + 1) % 4 == 0 else "window" for i in range(layers)]
    every = integer(config, "sliding_window_pattern") or family.window_every
    if every is None or not _window(config):
        return ["full"] * layers
    return ["full" if every > 1 and (i + 1) % every == 0 else "window" for i in range(layers)]


def _refuse_short(key: str, entries: int, layers: int) -> None:
    if entries < layers:
        raise SpecError(
            Code.BAD_MODEL,
            f"config.json does not say of every layer what it is: {key!r} is too short",
            why=f"it has {entries} entries, and num_hidden_layers is {layers}",
            fix=f"list all {layers} layers under {key!r}, or correct num_hidden_layers",
        )


def _window(config: Config) -> int | None:
    """Tokens a sliding window keeps; some configs write 0 or -1 where there is none."""
    window = integer(config, "sliding_window") or 0
    return window if window > 0 else None


LLAMA4: Final = frozenset({"llama4", "llama4_text"})


def mixing(config: Config, family: Family) -> Mixing:
    """Group equal layers; count what they store per token and how many parameters they hold."""
    kinds = layer_kinds(config, family)
    without_cache = integer(config, "num_kv_shared_layers") or 0
    keyed = Counter(
        (kind, index >= len(kinds) - without_cache)
        for index, kind in enumerate(kinds)
        if kind != "none"
    )
    groups: list[MixerGroup] = []
    parameters = 0
    for (kind, shared), count in keyed.items():
        group, weights = _group(config, family, kind=kind, layers=count, stores=not shared)
        groups.append(group)
        parameters += weights * count
    if family.beside_state:
        group, weights = _state(config, len(kinds))
        groups.append(group)
        parameters += weights * len(kinds)
    return Mixing(groups=tuple(groups), parameters=parameters)


def _group(
    config: Config, family: Family, *, kind: str, layers: int, stores: bool
) -> tuple[MixerGroup, int]:
    if kind == "state":
        return _state(config, layers)
    if kind.startswith("compressed:"):
        return _compressed(config, layers, ratio=int(kind.partition(":")[2]))
    if integer(config, "kv_lora_rank"):
        return _latent(config, layers)
    return _attention(config, family, kind=kind, layers=layers, stores=stores)


def _attention(
    config: Config, family: Family, *, kind: str, layers: int, stores: bool
) -> tuple[MixerGroup, int]:
    """Multi-head, grouped-query or multi-query attention: 2 x KV heads x head size per token."""
    hidden, heads = needed(config, "hidden"), needed(config, "heads")
    kv_heads = _kv_heads(config, family, heads)
    size = integer(config, "head_size") or hidden // heads
    window = _window(config) or integer(config, "attention_chunk_size")
    if kind == "window":
        kv_heads = integer(config, "swa_num_key_value_heads") or kv_heads
    else:
        size = integer(config, "global_head_dim") or size
        kv_heads = integer(config, "num_global_key_value_heads") or kv_heads
    value_size = integer(config, "v_head_dim") or size
    query = heads * size * (2 if config.get("attn_output_gate") else 1)
    weights = hidden * (query + kv_heads * (size + value_size)) + heads * value_size * hidden
    if family.biases or config.get("attention_bias") or config.get("qkv_bias"):
        weights += query + kv_heads * (size + value_size)
    group = MixerGroup(
        mixer=Mixer.WINDOW if kind == "window" else Mixer.FULL,
        layers=layers,
        kv_elements=kv_heads * (size + value_size) if stores else 0,
        kv_heads=kv_heads,
        dot_width=heads * (size + value_size),
        window_tokens=window if kind == "window" else None,
    )
    return group, weights


def _kv_heads(config: Config, family: Family, heads: int) -> int:
    if family.plain_heads:
        return heads
    stated = integer(config, "kv_heads")
    if config.get("block_configs"):
        stated = heads // _heads_in_group(config)
    if family.single_kv_head and (stated is None or config.get("multi_query") is True):
        return 1 if not config.get("new_decoder_architecture") else (stated or heads)
    return stated or heads


def _heads_in_group(config: Config) -> int:
    return next((heads for heads in _block_heads(config) if heads), 1)


def _block_heads(config: Config) -> list[int]:
    """Per block the heads that share keys; 0 without attention. Empty without blocks."""
    blocks = config.get("block_configs")
    attentions = [
        block.get("attention") if isinstance(block, Mapping) else None
        for block in (blocks if isinstance(blocks, list) else [])
    ]
    return [
        (integer(one, "n_heads_in_group") or 0) if isinstance(one, Mapping) else 0
        for one in attentions
    ]


def _latent(config: Config, layers: int) -> tuple[MixerGroup, int]:
    """Latent attention stores rank + rotary part per token, whatever the number of heads."""
    hidden, heads = needed(config, "hidden"), needed(config, "heads")
    rank, rope = needed(config, "kv_lora_rank"), integer(config, "qk_rope_head_dim") or 0
    nope, value = needed(config, "qk_nope_head_dim"), needed(config, "v_head_dim")
    q_rank = integer(config, "q_lora_rank")
    into_query = heads * (nope + rope)
    query = q_rank * (hidden + into_query) if q_rank else hidden * into_query
    weights = query + hidden * (rank + rope) + heads * (rank * (nope + value) + value * hidden)
    group = MixerGroup(
        mixer=Mixer.LATENT,
        layers=layers,
        kv_elements=rank + rope,
        kv_heads=1,
        dot_width=heads * (2 * rank + rope),
    )
    return group, weights


def _compressed(config: Config, layers: int, *, ratio: int) -> tuple[MixerGroup, int]:
    """One shared key-value vector per `ratio` tokens (0: only the sliding window is kept)."""
    hidden, heads = needed(config, "hidden"), needed(config, "heads")
    size, q_rank = needed(config, "head_size"), needed(config, "q_lora_rank")
    out_rank, out_groups = needed(config, "o_lora_rank"), needed(config, "o_groups")
    weights = q_rank * (hidden + heads * size) + hidden * size
    weights += heads * size * out_rank + out_groups * out_rank * hidden
    group = MixerGroup(
        mixer=Mixer.LATENT if ratio else Mixer.WINDOW,
        layers=layers,
        kv_elements=max(1, size // ratio) if ratio else size,
        kv_heads=1,
        dot_width=2 * heads * size // max(1, ratio),
        window_tokens=None if ratio else _window(config),
    )
    return group, weights


def _state(config: Config, layers: int) -> tuple[MixerGroup, int]:
    hidden = needed(config, "hidden")
    linear = config.get("linear_attn_config")
    if isinstance(linear, Mapping):  # Kimi delta attention: keys, values and gate of equal width
        heads, size = needed(linear, "heads"), needed(linear, "head_dim")
        width = heads * size
        return _state_group(layers, heads * size * size + 3 * width * CONV_TAPS), 5 * hidden * width
    if scans := integer(config, "ssm_heads"):  # Mamba-2
        inner = scans * needed(config, "ssm_head_size")
        state, lanes = needed(config, "ssm_state"), needed(config, "ssm_groups")
        mixed = inner + 2 * lanes * state
        weights = hidden * (inner + mixed + scans) + inner * hidden
        return _state_group(layers, inner * state + mixed * CONV_TAPS), weights
    # gated delta network
    keys = needed(config, "linear_num_key_heads") * needed(config, "linear_key_head_dim")
    heads = needed(config, "linear_num_value_heads")
    values = heads * needed(config, "linear_value_head_dim")
    state = values * needed(config, "linear_key_head_dim")
    weights = hidden * (2 * keys + 2 * values + 2 * heads) + values * hidden
    return _state_group(layers, state + (2 * keys + values) * CONV_TAPS), weights


def _state_group(layers: int, elements: int) -> MixerGroup:
    return MixerGroup(
        mixer=Mixer.STATE,
        layers=layers,
        kv_elements=0,
        kv_heads=1,
        dot_width=0,
        state_elements=elements,
    )


def _from_words(config: Config) -> list[str]:
    words = strings(config, "layer_types")
    return [
        "window" if word in WINDOW_WORDS else "state" if word in STATE_WORDS else "full"
        for word in words
    ]


def _from_pattern(config: Config) -> list[str]:
    """Nemotron-H spells layers as `M` (state), `*` (attention), `-` and `E` (MLP only)."""
    pattern = config.get("hybrid_override_pattern")
    if not isinstance(pattern, str):
        return []
    return [{"M": "state", "*": "full"}.get(letter, "none") for letter in pattern]


def _from_indices(config: Config) -> list[str]:
    """Bamba counts the layers that have attention, from 0."""
    full = set(integers(config, "attn_layer_indices"))
    layers = needed(config, "layers") if full else 0
    return ["full" if i in full else "state" for i in range(layers)]


def _from_flags(config: Config) -> list[str]:
    return ["window" if flag else "full" for flag in integers(config, "hybrid_layer_pattern")]


def _from_ratios(config: Config) -> list[str]:
    return [f"compressed:{ratio}" for ratio in integers(config, "compress_ratios")]


def _from_blocks(config: Config) -> list[str]:
    return ["full" if heads else "none" for heads in _block_heads(config)]


def _from_linear_config(config: Config) -> list[str]:
    linear = config.get("linear_attn_config")
    if not isinstance(linear, Mapping):
        return []
    full = set(integers(linear, "full_attn_layers"))
    return ["full" if i + 1 in full else "state" for i in range(needed(config, "layers"))]


_LISTS: Final[Mapping[str, Callable[[Config], list[str]]]] = {
    "layer_types": _from_words,
    "hybrid_override_pattern": _from_pattern,
    "attn_layer_indices": _from_indices,
    "hybrid_layer_pattern": _from_flags,
    "compress_ratios": _from_ratios,
    "block_configs": _from_blocks,
    "linear_attn_config": _from_linear_config,
}
"""Where a config lists its layers, by key; the first that is there counts."""
