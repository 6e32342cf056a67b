"""The part that asks nobody; the rest talks to a double in the contract tests."""

from pathlib import Path

import pytest

from paceline.adapters.hub.huggingface.client import parse


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        parse(path)


def test_an_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": 1}')
    assert parse(path) == {"a": 1}
