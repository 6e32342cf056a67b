"""What config.json leaves unsaid: traits of each architecture Paceline can count.

One entry per `model_type`. An architecture that is missing here is refused, not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Traits that hold for every checkpoint of one architecture."""

    gated_mlp: bool = True
    """Three MLP matrices (gate, up, down) rather than two."""
    tied: bool = False
    """Default of `tie_word_embeddings` when config.json omits it."""
    biases: bool = False
    """Every linear layer carries a bias."""
    window_every: int | None = None
    """Sliding window on all layers but every n-th; 1 = on every layer; None = no window
    unless the layers say so themselves."""
    learned_positions: bool = False
    plain_heads: bool = False
    """KV heads default to attention heads even if a grouped count is given elsewhere."""
    single_kv_head: bool = False
    """Multi-query attention unless config.json counts the KV heads."""
    beside_state: bool = False
    """Every layer has a state-space mixer beside its attention, not instead of it."""


DECODER: Final = Family()
LLAMA_LIKE: Final = (
    "llama", "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen2_5_vl_text", "qwen2_vl_text",
    "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
    "qwen3_5_moe_text", "qwen3_vl", "qwen3_vl_text", "qwen3_vl_moe", "qwen3_vl_moe_text",
    "mixtral", "phi3", "phimoe", "baichuan", "internlm2", "internlm3", "granite", "granitemoe",
    "olmo", "olmo2", "olmo3", "olmoe", "stablelm", "exaone", "exaone4", "glm", "glm4", "glm4_moe",
    "glm_moe_dsa", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4", "deepseek_ref",
    "kimi_k2", "kimi_k25", "kimi_linear", "minimax_m2", "minimax_m3", "minimax_m3_vl", "mimo",
    "mimo_v2_flash", "gpt_oss", "llama4", "llama4_text", "nemotron-nas", "deci", "step3p7",
    "smollm3", "seed_oss", "ernie4_5", "ernie4_5_moe", "hunyuan_v1_dense", "hunyuan_v1_moe",
    "dots1", "bailing_moe", "aquila", "mllama", "mllama_text_model", "yi", "kimi_k3", "mistral3",
)  # fmt: skip

FAMILIES: Final[Mapping[str, Family]] = dict.fromkeys(LLAMA_LIKE, DECODER) | {
    "mistral": Family(window_every=1),
    "gemma": Family(tied=True),
    "gemma2": Family(tied=True, window_every=2),
    "gemma3": Family(tied=True, window_every=6),
    "gemma3_text": Family(tied=True, window_every=6),
    "gemma4": Family(tied=True),
    "gemma4_text": Family(tied=True),
    "cohere": Family(tied=True),
    "cohere2": Family(tied=True, window_every=4),
    "chatglm": DECODER,
    "nemotron": Family(gated_mlp=False),
    "nemotron_h": Family(gated_mlp=False),
    "granitemoehybrid": Family(tied=True),
    "bamba": DECODER,
    "falcon_h1": Family(beside_state=True),
    "phi": Family(gated_mlp=False, biases=True),
    "phi-msft": Family(gated_mlp=False, biases=True),
    "gpt2": Family(gated_mlp=False, biases=True, tied=True, learned_positions=True),
    "gptj": Family(gated_mlp=False, plain_heads=True),
    "gpt_neox": Family(gated_mlp=False, biases=True),
    "gpt_bigcode": Family(
        gated_mlp=False, biases=True, tied=True, learned_positions=True, single_kv_head=True
    ),
    "starcoder2": Family(gated_mlp=False, biases=True, tied=True),
    "bloom": Family(gated_mlp=False, biases=True, tied=True, plain_heads=True),
    "falcon": Family(gated_mlp=False, tied=True, single_kv_head=True),
    "opt": Family(gated_mlp=False, biases=True, tied=True, learned_positions=True),
    "mpt": Family(gated_mlp=False, tied=True, plain_heads=True),
}

BERT: Final = Family(gated_mlp=False, learned_positions=True)
ENCODERS: Final[Mapping[str, Family]] = {
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "distilbert": BERT,
    "mpnet": BERT,
    "nomic_bert": DECODER,  # gated and rotary like those
    "modernbert": DECODER,
}
SPEECH: Final[Mapping[str, Family]] = {"whisper": BERT}
DIFFUSION: Final = frozenset(
    {"FluxTransformer2DModel", "SD3Transformer2DModel", "UNet2DConditionModel"}
)
