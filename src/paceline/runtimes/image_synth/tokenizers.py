"""Tokenizers without training: every printable ASCII character by itself."""

from __future__ import annotations

import string
from typing import Any, Final

from transformers import CLIPTokenizer, T5Tokenizer

_CHARACTERS: Final = tuple(character for character in string.printable if not character.isspace())
CLIP_LENGTH: Final = 77


def clip_tokenizer() -> Any:
    """A CLIP tokenizer; the last two ids start and end a text, as the real one's do."""
    tokens = [*_CHARACTERS, *(f"{character}</w>" for character in _CHARACTERS)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=CLIP_LENGTH)


def t5_tokenizer() -> Any:
    """A T5 tokenizer over characters; ids 0 to 2 are padding, end and unknown."""
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *_CHARACTERS]
    return T5Tokenizer(vocab=[(piece, 0.0) for piece in pieces], extra_ids=0)
