"""A CLIP tokenizer whose merges come from the captions: every word of theirs is one token."""

import json
import random
from typing import Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from train_image.captions import example

MOST_TOKENS: Final = 16
START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
_SUFFIX: Final = "</w>"
_CAPTIONS: Final = 5_000


def make_tokenizer(seed: int) -> CLIPTokenizer:
    """The same seed gives the same tokenizer; unknown words fall into bytes."""
    rng = random.Random(seed)
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=_SUFFIX))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=1_000, end_of_word_suffix=_SUFFIX, min_frequency=2)
    tokenizer.train_from_iterator([example(rng)[0] for _ in range(_CAPTIONS)], trainer)
    merges = [tuple(merge) for merge in _merges(tokenizer)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + _SUFFIX for letter in letters), *("".join(m) for m in merges)]
    vocabulary = {piece: index for index, piece in enumerate([*dict.fromkeys(pieces), START, END])}
    # Transformers calls them strings or a file; what they become takes pairs.
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]  # stated too narrowly (transformers 5.17)
        model_max_length=MOST_TOKENS,
    )


def _merges(tokenizer: Tokenizer) -> list[list[str]]:
    found: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return found
