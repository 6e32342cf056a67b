"""Decoder architectures whose sizes Paceline can read from config.json.

Source of every row: transformers 5.23.0, `models/auto/modeling_auto.py` (causal language models)
and `models/*/configuration_*.py` for the names of the keys and what may be left out.
Not covered: encoders, image and multimodal models, state-space models, and models whose KV cache is
not `kv_heads x head_size` per layer (multi-head latent attention).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from paceline.adapters.hub.local.json_files import JsonObject
from paceline.errors import Code, SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How the config.json of one architecture spells its sizes."""

    model_type: str
    grouped: bool = True
    """`num_key_value_heads` must be there: its default in transformers is not the head count."""
    head_size_needed: bool = False
    """`head_dim` must be there: its default in transformers is not hidden size / heads."""
    layers_key: str = "num_hidden_layers"
    hidden_key: str = "hidden_size"
    heads_key: str = "num_attention_heads"
    context_key: str = "max_position_embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What memory planning needs to know about a decoder."""

    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_size: int
    max_context_tokens: int | None


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "ArceeForCausalLM": Architecture(model_type="arcee", grouped=False),
    "CohereForCausalLM": Architecture(model_type="cohere", grouped=False),
    "Cohere2ForCausalLM": Architecture(model_type="cohere2", grouped=False),
    "Gemma2ForCausalLM": Architecture(model_type="gemma2", head_size_needed=True),
    "Gemma3ForCausalLM": Architecture(model_type="gemma3_text", head_size_needed=True),
    "GemmaForCausalLM": Architecture(model_type="gemma", head_size_needed=True),
    "Glm4ForCausalLM": Architecture(model_type="glm4", head_size_needed=True),
    "GPT2LMHeadModel": Architecture(
        model_type="gpt2",
        grouped=False,
        layers_key="n_layer",
        hidden_key="n_embd",
        heads_key="n_head",
        context_key="n_positions",
    ),
    "GPTNeoXForCausalLM": Architecture(model_type="gpt_neox", grouped=False),
    "GptOssForCausalLM": Architecture(model_type="gpt_oss", head_size_needed=True),
    "GraniteForCausalLM": Architecture(model_type="granite", grouped=False),
    "LlamaForCausalLM": Architecture(model_type="llama", grouped=False),
    "MistralForCausalLM": Architecture(model_type="mistral"),
    "MixtralForCausalLM": Architecture(model_type="mixtral"),
    "OPTForCausalLM": Architecture(model_type="opt", grouped=False),
    "Olmo2ForCausalLM": Architecture(model_type="olmo2", grouped=False),
    "Phi3ForCausalLM": Architecture(model_type="phi3", grouped=False),
    "PhiForCausalLM": Architecture(model_type="phi", grouped=False),
    "Qwen2ForCausalLM": Architecture(model_type="qwen2"),
    "Qwen2MoeForCausalLM": Architecture(model_type="qwen2_moe"),
    "Qwen3ForCausalLM": Architecture(model_type="qwen3", head_size_needed=True),
    "Qwen3MoeForCausalLM": Architecture(model_type="qwen3_moe"),
    "SeedOssForCausalLM": Architecture(model_type="seed_oss", head_size_needed=True),
    "SmolLM3ForCausalLM": Architecture(model_type="smollm3"),
    "StableLmForCausalLM": Architecture(model_type="stablelm"),
    "Starcoder2ForCausalLM": Architecture(model_type="starcoder2"),
}


def architecture_of(config: JsonObject) -> str:
    """The architecture that config.json names, by class or else by model type.

    Raises SpecError when it is none of `ARCHITECTURES`; the nearest known one is named.
    """
    listed = config.get("architectures")
    named = listed[0] if isinstance(listed, list) and listed else None
    if isinstance(named, str) and named in ARCHITECTURES:
        return named
    if named is None:
        for name, architecture in ARCHITECTURES.items():
            if architecture.model_type == config.get("model_type"):
                return name
    raise _unknown(str(named or config.get("model_type")))


def _unknown(name: str) -> SpecError:
    near = get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.0)[0]
    return SpecError(
        Code.UNKNOWN_ARCHITECTURE,
        f"the architecture {name!r} is not supported",
        why=f"it is none of the {len(ARCHITECTURES)} decoder architectures whose sizes Paceline"
        f" reads; the nearest is {near!r}",
        fix="name a model of a supported architecture (listed in docs/guides/models.md)",
    )


def sizes_of(config: JsonObject) -> Sizes:
    """The sizes of a decoder of a known architecture.

    Raises SpecError: unknown architecture, a size that is absent or not a positive integer, fewer
    types of layers than layers.
    """
    architecture = ARCHITECTURES[architecture_of(config)]
    hidden_size = needed(config, architecture.hidden_key)
    heads = needed(config, architecture.heads_key)
    kv_heads = positive(config, "num_key_value_heads")
    if kv_heads is None:
        kv_heads = needed(config, "num_key_value_heads") if architecture.grouped else heads
    head_size = positive(config, "head_dim")
    if head_size is None:
        needs_it = architecture.head_size_needed
        head_size = needed(config, "head_dim") if needs_it else hidden_size // heads
    layers = needed(config, architecture.layers_key)
    _check_layer_types(config, layers, key=architecture.layers_key)
    return Sizes(
        layers=layers,
        hidden_size=hidden_size,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        max_context_tokens=positive(config, architecture.context_key),
    )


def _check_layer_types(config: JsonObject, layers: int, *, key: str) -> None:
    types = config.get("layer_types")
    if isinstance(types, list) and len(types) < layers:
        raise SpecError(
            Code.BAD_MODEL,
            "config.json does not say of every layer what it is: 'layer_types' is too short",
            why=f"it has {len(types)} entries, and {key} is {layers}",
            fix=f"list all {layers} layers under 'layer_types', or correct {key!r}",
        )


def needed(config: JsonObject, key: str) -> int:
    """A positive integer of config.json. Raises SpecError when it is absent or anything else."""
    value = positive(config, key)
    if value is None:
        raise SpecError(
            Code.BAD_MODEL,
            f"config.json lacks {key!r}",
            why=f"a {architecture_of(config)} needs it as a positive integer; found nothing",
            fix=f"add {key!r} to config.json, or fetch the file again",
        )
    return value


def positive(config: JsonObject, key: str) -> int | None:
    """A positive integer of config.json, `None` when absent or null. Raises SpecError otherwise."""
    value = config.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise SpecError(
            Code.BAD_MODEL,
            f"{key!r} in config.json is wrong",
            why=f"expected a positive integer, found {value!r}",
            fix=f"mend {key!r} in config.json, or fetch the file again",
        )
    return value
