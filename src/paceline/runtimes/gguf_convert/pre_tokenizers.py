"""Which of llama.cpp's pre-tokenizers splits text as a model's `tokenizer.json` does.

llama.cpp knows pre-tokenizers by name, and its converter finds the name by a hash that only models
of its list have. A model of one's own, or a fine-tune with added tokens, is on no list; its rules
are in its file, though, and where they are the very rules of a name, that name is right.

Source of names and rules: `src/llama-vocab.cpp` of llama.cpp 0c1e570 (2026-10-01), function
`llm_tokenizer_bpe` (the comments there quote the original expressions) and `llama_vocab::load`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_TAIL: Final = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"


@dataclass(frozen=True)
class _Rule:
    """A split expression (`None`: the one inside ByteLevel) and whether merges are skipped for
    words that are tokens themselves."""

    split: str | None
    ignore_merges: bool
    name: str


_RULES: Final = (
    _Rule(split=_WORDS + r"|\p{N}" + _TAIL, ignore_merges=False, name="qwen2"),
    _Rule(split=_WORDS + r"|\p{N}{1,3}" + _TAIL, ignore_merges=True, name="llama-bpe"),
    _Rule(split=_WORDS + r"|\p{N}{1,3}" + _TAIL, ignore_merges=False, name="dbrx"),
    _Rule(split=None, ignore_merges=False, name="gpt-2"),
)


def name_of(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for the pre-tokenizer of a parsed `tokenizer.json`; `None` when none is."""
    model = tokenizer.get("model") or {}
    steps = _steps(tokenizer.get("pre_tokenizer") or {})
    kinds = [step.get("type") for step in steps]
    if model.get("type") != "BPE" or kinds not in (["Split", "ByteLevel"], ["ByteLevel"]):
        return None
    byte_level = steps[-1]
    if byte_level.get("add_prefix_space") or bool(byte_level.get("use_regex")) == (len(steps) > 1):
        return None
    split = None
    if len(steps) > 1:
        first = steps[0]
        if first.get("behavior") != "Isolated" or first.get("invert"):
            return None
        split = (first.get("pattern") or {}).get("Regex")
    merged = bool(model.get("ignore_merges"))
    found = (rule.name for rule in _RULES if (rule.split, rule.ignore_merges) == (split, merged))
    return next(found, None)


def _steps(pre_tokenizer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if pre_tokenizer.get("type") == "Sequence":
        return list(pre_tokenizer.get("pretokenizers") or ())
    return [pre_tokenizer]
