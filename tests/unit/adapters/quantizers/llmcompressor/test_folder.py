import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from paceline.adapters.quantizers.llmcompressor.folder import RECEIPT, make_once, size_bytes


def write(output: Path) -> Mapping[str, object]:
    (output / "weights").write_bytes(b"abc")
    return {"recipe": "r"}


def test_a_folder_is_made_once_with_the_hash_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "tool" / "w8a8-1"
    assert make_once(folder, write)
    assert not make_once(folder, lambda _: pytest.fail("made twice"))
    receipt = json.loads((folder / RECEIPT).read_text())
    digest = hashlib.sha256(b"abc").hexdigest()
    assert receipt["files"] == [{"path": "weights", "sha256": digest, "size_bytes": 3}]
    assert size_bytes(folder) == 3 + (folder / RECEIPT).stat().st_size


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "tool" / "w8a8-1"

    def fail(output: Path) -> Mapping[str, object]:
        (output / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_once(folder, fail)
    assert [path.name for path in folder.parent.iterdir()] == ["w8a8-1.lock"]


def test_leftovers_of_a_killed_one_go_and_a_folder_without_receipt_is_made_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "w8a8-1"
    (tmp_path / ".w8a8-1-killed").mkdir()
    folder.mkdir()
    assert make_once(folder, write)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w8a8-1", "w8a8-1.lock"]
