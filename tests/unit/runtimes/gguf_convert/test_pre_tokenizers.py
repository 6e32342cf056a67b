"""A tokenizer is recognized by its rules, and only by exactly these."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.hub.local.synth.tokenizer import write_tokenizer
from paceline.runtimes.gguf_convert.__main__ import recognizing
from paceline.runtimes.gguf_convert.pre_tokenizers import name_of

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer(split: str | None, *, ignore_merges: bool = False) -> dict[str, Any]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": split is None}
    first = {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False}
    steps = [byte_level] if split is None else [first, byte_level]
    return {
        "model": {"type": "BPE", "ignore_merges": ignore_merges},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
    }


def test_our_own_tokenizers_split_like_qwen2(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, vocab_size=512, max_tokens=64)
    assert name_of(json.loads((tmp_path / "tokenizer.json").read_text())) == "qwen2"


def test_names_by_rule() -> None:
    assert name_of(tokenizer(LLAMA_3, ignore_merges=True)) == "llama-bpe"
    assert name_of(tokenizer(LLAMA_3)) == "dbrx"
    assert name_of(tokenizer(None)) == "gpt-2"
    plain = tokenizer(None)
    plain["pre_tokenizer"] = plain["pre_tokenizer"]["pretokenizers"][0]
    assert name_of(plain) == "gpt-2"


def other_split(found: dict[str, Any]) -> None:
    found["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] += "|x"


def merged_away(found: dict[str, Any]) -> None:
    found["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"


def prefixed(found: dict[str, Any]) -> None:
    found["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True


def split_twice(found: dict[str, Any]) -> None:
    found["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = True


def other_model(found: dict[str, Any]) -> None:
    found["model"]["type"] = "Unigram"


def no_steps(found: dict[str, Any]) -> None:
    found["pre_tokenizer"] = None


@pytest.mark.parametrize(
    "change", [other_split, merged_away, prefixed, split_twice, other_model, no_steps]
)
def test_any_other_rule_has_no_name(change: Callable[[dict[str, Any]], None]) -> None:
    found = tokenizer(LLAMA_3)
    change(found)
    assert name_of(found) is None


class Asked:
    """A model in a folder."""

    def __init__(self, folder: Path) -> None:
        self.dir_model = folder


def test_the_converters_own_answer_comes_first(tmp_path: Path) -> None:
    assert recognizing(lambda _model, _tokenizer: "falcon")(Asked(tmp_path), None) == "falcon"


def refuse(_model: Any, _tokenizer: Any) -> str:
    raise NotImplementedError("not recognized")


def test_where_the_converter_knows_none_the_rules_are_looked_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer(LLAMA_3)))
    assert recognizing(refuse)(Asked(tmp_path), None) == "dbrx"
    assert capsys.readouterr().out == "pre-tokenizer: dbrx (found by its rules)\n"


def test_an_unknown_tokenizer_stays_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer(LLAMA_3 + "|x")))
    with pytest.raises(NotImplementedError):
        recognizing(refuse)(Asked(tmp_path), None)
