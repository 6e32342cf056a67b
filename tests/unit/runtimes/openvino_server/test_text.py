"""Templates as Hugging Face writes them, and whole characters out of single tokens."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from paceline.runtimes.openai_face.generation import PromptRefused
from paceline.runtimes.openvino_server.text import TextCodec

TEMPLATE = (
    "{%- for message in messages %}\n"
    "{%- if message['role'] not in ['user', 'assistant'] %}"
    "{{ raise_exception('unknown role ' + message['role']) }}{% endif %}"
    "{{ bos_token }}[{{ message['role'] }}] {{ message['content'] }}\n"
    "{% endfor %}"
    "{%- if add_generation_prompt %}[assistant]{% if thinking %} thinks{% endif %}{% endif %}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = {"bos_token": {"content": "<s>"}, "chat_template": TEMPLATE}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return tmp_path


USER = {"role": "user", "content": "hi"}


def test_renders_the_template_with_special_tokens(folder: Path) -> None:
    assert TextCodec(folder).chat_prompt([USER], {}) == "<s>[user] hi\n[assistant]"
    assert TextCodec(folder).chat_prompt([USER], {"thinking": True}).endswith(" thinks")


def test_the_template_file_wins_over_the_settings(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("only this")
    assert TextCodec(folder).chat_prompt([USER], {}) == "only this"


def test_what_the_template_refuses_is_refused_in_its_words(folder: Path) -> None:
    with pytest.raises(PromptRefused, match="unknown role tool"):
        TextCodec(folder).chat_prompt([{"role": "tool", "content": "x"}], {})


def test_templates_cannot_reach_the_system(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(PromptRefused):
        TextCodec(folder).chat_prompt([USER], {})


def test_without_a_template_chat_is_refused(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(PromptRefused, match="no chat template"):
        TextCodec(folder).chat_prompt([USER], {})


def test_characters_come_out_whole(folder: Path) -> None:
    codec = TextCodec(folder)
    ids = codec.encode("né 😀!", special=False)
    stream = codec.stream()
    pieces = [stream.push(token_id) for token_id in ids]
    assert "".join(pieces) == "né 😀!"
    assert [piece for piece in pieces if piece] == ["n", "é", " ", "😀", "!"]


def test_tokens_that_are_no_whole_character_have_names_of_their_own(folder: Path) -> None:
    codec = TextCodec(folder)
    pieces = [codec.piece(token_id) for token_id in codec.encode("é", special=False)]
    assert len(set(pieces)) == 2
    assert "\ufffd" not in "".join(pieces)


def test_special_tokens_give_no_text(folder: Path) -> None:
    codec = TextCodec(folder)
    (bos,) = codec.encode("<s>", special=False)
    assert codec.stream().push(bos) == ""
    assert codec.piece(bos) == "<s>"


def test_a_missing_or_broken_tokenizer_is_an_error_with_a_type(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match=r"line 1|Expecting|delimiter|Unterminated"):
        TextCodec(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        TextCodec(folder)
