"""Prompts are repeatable, different from each other and as long as asked for."""

import json
from pathlib import Path

import pytest

from paceline.adapters.load.openai_http.exact import ExactTexts
from paceline.adapters.load.openai_http.texts import WordTexts, english_words
from paceline.errors import SpecError

WORDS = WordTexts(english_words(), seed=1, tokens_per_word=1.5)


def test_the_same_key_gives_the_same_text_and_another_seed_another() -> None:
    again = WordTexts(english_words(), seed=1, tokens_per_word=1.5)
    other = WordTexts(english_words(), seed=2, tokens_per_word=1.5)
    assert WORDS.text(300, "7.0") == again.text(300, "7.0") != other.text(300, "7.0")


def test_texts_differ_in_their_first_words() -> None:
    heads = {" ".join(WORDS.text(60, f"{number}.0").split()[:6]) for number in range(2000)}
    assert len(heads) == 2000


@pytest.mark.parametrize("tokens", [1, 2, 30, 50_000])
def test_length_follows_the_calibration(tokens: int) -> None:
    assert len(WORDS.text(tokens, "k").split()) == max(1, round(tokens / 1.5))


def test_a_prefix_is_part_of_the_length() -> None:
    text = WORDS.text(300, "k", after="one two three")
    assert text.startswith("one two three ")
    assert len(text.split()) == 200


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte-level BPE whose vocabulary has some words whole and the rest in letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["Ġ"]
    vocabulary = dict.fromkeys(letters)
    merges = []
    for word in english_words()[:80]:
        piece = "Ġ"
        for letter in word:
            merges.append((piece, letter))
            piece += letter
            vocabulary[piece] = None
    model = {
        "type": "BPE",
        "vocab": {token: number for number, token in enumerate(vocabulary)},
        "merges": [list(pair) for pair in dict.fromkeys(merges)],
        "unk_token": None,
        "dropout": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    }
    pre = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": pre,
        "post_processor": None,
        "decoder": None,
        "model": model,
    }
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("tokens", [1, 5, 17, 128, 1000])
def test_with_a_tokenizer_lengths_are_exact(tokenizer_file: Path, tokens: int) -> None:
    texts = ExactTexts(str(tokenizer_file), seed=3)
    for number in range(20):
        assert texts.count(texts.text(tokens, f"{number}.0")) == tokens


def test_with_a_tokenizer_lengths_are_exact_behind_a_prefix(tokenizer_file: Path) -> None:
    texts = ExactTexts(str(tokenizer_file.parent), seed=3)
    prefix = texts.text(40, "prefix")
    for number in range(20):
        text = texts.text(100, f"{number}.0", after=prefix)
        assert text.startswith(prefix)
        assert texts.count(text) == 100


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpecError, match="tokenizer"):
        ExactTexts(str(path), seed=1)
