"""Attention in which the last token of the text stands for many equal ones.

Stable Diffusion 3 without T5 reads 256 zero tokens. Equal tokens stay equal in every layer, so one
of them with log 256 added to its scores gives the same sums at a quarter of the cost.
"""

import math
from typing import Final

import torch
from diffusers.models.attention_processor import Attention

MANY: Final = 256
"""`max_sequence_length` of `StableDiffusion3Pipeline` (diffusers 0.42)."""


class OneForMany:
    """A processor for `SD3Transformer2DModel.set_attn_processor`, for training only."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        **_unused: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """New states of the picture and of the text."""

        def heads(states: torch.Tensor) -> torch.Tensor:
            split: torch.Tensor = states.unflatten(-1, (attn.heads, -1))
            return split.transpose(1, 2)

        text = encoder_hidden_states
        queries = (attn.norm_q(heads(attn.to_q(hidden_states))),
                   attn.norm_added_q(heads(attn.add_q_proj(text))))  # fmt: skip
        keys = (attn.norm_k(heads(attn.to_k(hidden_states))),
                attn.norm_added_k(heads(attn.add_k_proj(text))))  # fmt: skip
        values = (heads(attn.to_v(hidden_states)), heads(attn.add_v_proj(text)))
        query, key, value = (torch.cat(pair, dim=2) for pair in (queries, keys, values))
        query, key = query.to(value.dtype), key.to(value.dtype)
        bias = torch.zeros(key.shape[2], dtype=value.dtype)
        bias[-1] = math.log(MANY)
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, bias[None])
        mixed = mixed.transpose(1, 2).flatten(2)
        pixels = hidden_states.shape[1]
        picture, words = mixed[:, :pixels], mixed[:, pixels:]
        if not attn.context_pre_only:
            words = attn.to_add_out(words)
        return attn.to_out[1](attn.to_out[0](picture)), words
