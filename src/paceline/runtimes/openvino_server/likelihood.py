"""From logits to log probabilities and the most likely tokens. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paceline.runtimes.openai_face.generation import TokenScore

Logits = npt.NDArray[np.float32]
"""Of shape `[positions, vocabulary]`."""


def token_scores(logits: Logits, following: Sequence[int], *, top: int) -> list[TokenScore]:
    """How likely each of `following` was, and the `top` most likely, at each row of `logits`."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(axis=-1, dtype=np.float64))[:, None]
    top = min(top, logprobs.shape[-1])
    best = np.argpartition(-logprobs, top - 1, axis=-1)[:, :top]
    return [
        TokenScore(
            logprob=float(row[token]),
            top=tuple(
                sorted(((int(one), float(row[one])) for one in few), key=lambda pair: -pair[1])
            ),
        )
        for row, few, token in zip(logprobs, best, following, strict=True)
    ]
