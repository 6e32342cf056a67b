import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from paceline.adapters.hub.local.synth.tokenizer import (
    END,
    END_ID,
    MAX_VOCABULARY,
    MIN_VOCABULARY,
    PAD,
    PAD_ID,
    check_vocabulary,
    write_tokenizer,
)
from paceline.errors import SpecError

TEXTS = ("hello, the world", "naïve 東京 😀", "  12 + 34 = 46\n\n\tend ", "I'll say it isn't")


@pytest.mark.parametrize("vocab_size", [MIN_VOCABULARY, 1024, 20_000])
def test_any_text_comes_back_and_every_id_is_a_token(tmp_path: Path, vocab_size: int) -> None:
    write_tokenizer(tmp_path, vocab_size=vocab_size, max_tokens=128)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == vocab_size
    assert {tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)} == {END_ID, PAD_ID}
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert all(tokenizer.decode([i]) for i in range(END_ID + 1, vocab_size))


def test_more_tokens_make_shorter_prompts(tmp_path: Path) -> None:
    lengths = []
    for vocab_size in (MIN_VOCABULARY, 1024, 20_000):
        write_tokenizer(tmp_path, vocab_size=vocab_size, max_tokens=None)
        tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        lengths.append(len(tokenizer.encode("the rain in spain stays mainly in the plain").ids))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[1]


def test_chat_marks_are_single_tokens(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, vocab_size=512, max_tokens=128)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.encode(f"{END}").ids == [END_ID]
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["eos_token"], config["pad_token"]) == (END, PAD)
    assert config["model_max_length"] == 128
    assert config["chat_template"].strip() == (tmp_path / "chat_template.jinja").read_text().strip()


@pytest.mark.parametrize("vocab_size", [MIN_VOCABULARY - 1, MAX_VOCABULARY + 1])
def test_size_that_cannot_be_made_is_refused(vocab_size: int) -> None:
    with pytest.raises(SpecError) as caught:
        check_vocabulary(vocab_size)
    assert f"{MAX_VOCABULARY:,}" in caught.value.why
