"""What the fake engine finds likely: a fixed distribution after each word, and set damage to it."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from typing import Final

from paceline.runtimes.fake_server.answers import WordCodec, filler
from paceline.runtimes.openai_face.generation import TokenScore

_WORDS: Final = 10
_STEEPNESS: Final = 0.5  # each word is 1.6 times less likely than the one before


class FakeScorer:
    """A `Scorer`: the same text gives the same distributions in every process.

    A word has ten others beside it. Their logits are moved by `divergence` times a draw from a
    normal distribution, so that the divergence from the truth is about half its square.
    """

    def __init__(self, codec: WordCodec, *, divergence: float) -> None:
        self._codec = codec
        self._divergence = divergence

    def score(self, ids: Sequence[int], *, top: int) -> Sequence[TokenScore]:
        """See `Scorer.score`."""
        others = self._codec.encode("".join(filler(_WORDS)), special=False)
        found = [TokenScore(logprob=None, top=())]
        for place, token in enumerate(ids[1:], 1):
            found.append(self._position(place, token, others, top=top))
        return found

    def _position(self, place: int, token: int, others: Sequence[int], *, top: int) -> TokenScore:
        known = list(dict.fromkeys([token, *others]))
        text = f"{place}/{self._codec.piece(token)}"
        rng = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311 - not a secret
        logits = [
            -_STEEPNESS * rank + self._divergence * rng.gauss(0.0, 1.0)
            for rank in range(len(known))
        ]
        rest = math.log(sum(math.exp(logit) for logit in logits))
        likely = {one: logit - rest for one, logit in zip(known, logits, strict=True)}
        ordered = sorted(likely.items(), key=lambda pair: -pair[1])
        return TokenScore(logprob=likely[token], top=tuple(ordered[:top]))
