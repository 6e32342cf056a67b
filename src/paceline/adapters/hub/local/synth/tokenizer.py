"""A tokenizer made by hand for any vocabulary size, so that every token id decodes to text.

Byte-level BPE over Qwen2's way of splitting: any text goes in and comes back unchanged. Its merges
are letter pairs and pairs of pairs, frequent English letters first; nothing is trained.
"""

import json
from collections.abc import Iterator
from itertools import chain, islice, product
from pathlib import Path
from typing import Final

from paceline.errors import Code, SpecError

PAD, START, END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PAD_ID, START_ID, END_ID = range(len(SPECIALS))
LETTERS: Final = "etaoinsrhldcumfpgwybvkxjqz"  # by frequency in English, most frequent first
SPACE: Final = "Ġ"  # how byte-level BPE writes a space
MIN_VOCABULARY: Final = len(SPECIALS) + 256
MAX_VOCABULARY: Final = MIN_VOCABULARY + len(LETTERS) + len(LETTERS) ** 2 + len(LETTERS) ** 4
# Qwen2's tokenizer.json; engines recognize the split (llama.cpp calls it `qwen2`).
SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def check_vocabulary(vocab_size: int) -> None:
    """Raises SpecError when no tokenizer of exactly this size can be made."""
    if not MIN_VOCABULARY <= vocab_size <= MAX_VOCABULARY:
        raise SpecError(
            Code.UNSUPPORTED,
            f"cannot make a tokenizer of {vocab_size:,} tokens",
            why=f"256 bytes and {len(SPECIALS)} marks need {MIN_VOCABULARY} tokens, and merges of"
            f" up to four letters give at most {MAX_VOCABULARY:,}",
            fix=f"set vocab_size between {MIN_VOCABULARY} and {MAX_VOCABULARY} in config.json",
        )


def write_tokenizer(folder: Path, *, vocab_size: int, max_tokens: int | None) -> None:
    """Write tokenizer.json, its config and the chat template (ChatML)."""
    text = json.dumps(_tokenizer(vocab_size), ensure_ascii=False, indent=1)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    config = {
        # Accepted by transformers 4 and 5; the class that 5 writes itself is unknown to 4.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "additional_special_tokens": [START, END],
        "added_tokens_decoder": {str(i): _mark(name) for i, name in enumerate(SPECIALS)},
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_tokens,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")


def _tokenizer(vocab_size: int) -> dict[str, object]:
    """tokenizer.json, in the layout of tokenizers 0.23."""
    merges = list(islice(_merges(), vocab_size - MIN_VOCABULARY))
    tokens = chain(SPECIALS, _byte_letters(), (left + right for left, right in merges))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **_mark(name)} for i, name in enumerate(SPECIALS)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split, {**byte_level, "use_regex": False}],
        },
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }


def _merges() -> Iterator[tuple[str, str]]:
    """A letter after a space, then letter pairs, then pairs of pairs; frequent ones first."""
    yield from ((SPACE, letter) for letter in LETTERS)
    pairs = _by_rank(LETTERS)
    yield from pairs
    yield from _by_rank([left + right for left, right in pairs])


def _by_rank(parts: str | list[str]) -> list[tuple[str, str]]:
    """All pairs of `parts`, those with the smallest sum of positions first."""
    places = sorted(product(range(len(parts)), repeat=2), key=lambda pair: (sum(pair), pair))
    return [(parts[left], parts[right]) for left, right in places]


def _byte_letters() -> list[str]:
    """The 256 characters by which byte-level BPE writes bytes, printable ones as themselves."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _mark(name: str) -> dict[str, object]:
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {"content": name, **flags, "special": True}
