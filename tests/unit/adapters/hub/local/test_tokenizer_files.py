import json
from pathlib import Path

import pytest

from paceline.adapters.hub.local.tokenizer_files import (
    check_text_files,
    has_chat_template,
    remote_code,
)
from paceline.errors import SpecError


@pytest.mark.parametrize(
    "names", [("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt")]
)
def test_any_kind_of_tokenizer_will_do(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    check_text_files(tmp_path)


def test_half_a_tokenizer_is_none(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(SpecError, match="no tokenizer"):
        check_text_files(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "generation_config.json"])
def test_broken_companion_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / name).write_text("{")
    with pytest.raises(SpecError, match=name):
        check_text_files(tmp_path)


def test_chat_template_is_a_file_or_a_key(tmp_path: Path) -> None:
    assert not has_chat_template(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text("{}")
    assert not has_chat_template(tmp_path)
    config.write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert has_chat_template(tmp_path)
    config.unlink()
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert has_chat_template(tmp_path)


def test_code_of_the_model_is_found_in_either_config(tmp_path: Path) -> None:
    assert remote_code(tmp_path, {}) is None
    assert remote_code(tmp_path, {"auto_map": {"AutoModel": "m.M"}}) == "config.json"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"A": "b.C"}}))
    assert remote_code(tmp_path, {}) == "tokenizer_config.json"
