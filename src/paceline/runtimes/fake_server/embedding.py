"""Vectors that mean nothing but which words a text has: texts that share words are near."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from paceline.runtimes.fake_server.answers import WordCodec

_MIDDLE: Final = 127.5  # of a byte: directions of words point everywhere


class FakeEmbedder:
    """An `Embedder`: the sum of fixed directions of the words, the same in every process."""

    def __init__(self, codec: WordCodec) -> None:
        self._codec = codec

    def embed(self, ids: Sequence[int]) -> Sequence[float]:
        """See `Embedder.embed`; 32 numbers."""
        words = [self._codec.piece(token).strip() for token in ids]
        directions = [_direction(word) for word in words]
        summed = [sum(parts) for parts in zip(*directions, strict=True)]
        length = math.sqrt(sum(one * one for one in summed))
        return [one / length for one in summed]


def _direction(word: str) -> list[float]:
    return [byte - _MIDDLE for byte in hashlib.sha256(word.encode()).digest()]
