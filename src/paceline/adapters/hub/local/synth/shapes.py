"""Small shapes that can be named instead of giving a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.adapters.hub.local.json_files import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShape:
    """The sizes of a model, and where they were read."""

    source: str
    config: JsonObject


def _llama(**sizes: object) -> JsonObject:
    fixed = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"}
    return {**fixed, "rms_norm_eps": 1e-5, **sizes}


def _qwen(version: int, **sizes: object) -> JsonObject:
    fixed = {"architectures": [f"Qwen{version}ForCausalLM"], "model_type": f"qwen{version}"}
    return {**fixed, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1e6, **sizes}


NAMED_SHAPES: Final[Mapping[str, NamedShape]] = {
    "tiny": NamedShape(
        source="made for tests: the smallest shape whose linear layers are multiples of 128",
        config=_llama(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=1024,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
        ),
    ),
    "medium": NamedShape(
        source="143.7M parameters, the size at which engines were first compared; all sizes are"
        " multiples of 128, so that int4 in groups of 128 applies",
        config=_llama(
            hidden_size=1024,
            intermediate_size=2816,
            num_hidden_layers=12,
            num_attention_heads=16,
            num_key_value_heads=4,
            vocab_size=4096,
            max_position_embeddings=8192,
            tie_word_embeddings=False,
        ),
    ),
    "smollm2-135m": NamedShape(
        source="config.json of HuggingFaceTB/SmolLM2-135M",
        config=_llama(
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            vocab_size=49152,
            max_position_embeddings=8192,
            rope_theta=1e5,
            tie_word_embeddings=True,
        ),
    ),
    "qwen2.5-0.5b": NamedShape(
        source="config.json of Qwen/Qwen2.5-0.5B",
        config=_qwen(
            2,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            vocab_size=151936,
            max_position_embeddings=32768,
            tie_word_embeddings=True,
        ),
    ),
    "qwen3-0.6b": NamedShape(
        source="config.json of Qwen/Qwen3-0.6B",
        config=_qwen(
            3,
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
            vocab_size=151936,
            max_position_embeddings=40960,
            tie_word_embeddings=True,
        ),
    ),
    "llama-3.2-1b": NamedShape(
        source="config.json of meta-llama/Llama-3.2-1B",
        config=_llama(
            hidden_size=2048,
            intermediate_size=8192,
            num_hidden_layers=16,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=64,
            vocab_size=128256,
            max_position_embeddings=131072,
            rope_theta=5e5,
            rope_scaling={
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            tie_word_embeddings=True,
        ),
    ),
}
