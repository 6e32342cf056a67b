import json
import os
from pathlib import Path

import pytest

from paceline.adapters.hub.local.safetensors import MAX_HEADER_BYTES, read_header
from paceline.errors import SpecError
from paceline.testing.hubs import write_safetensors


def write(path: Path, header: object, data_bytes: int) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data_bytes))
    return path


def entry(begin: int, end: int, *, dtype: str = "BF16", shape: object = (2,)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_reads_names_dtypes_and_shapes(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {"a": (2, 3), "scalar": ()}, dtype="F32")
    first, second = read_header(path)
    assert (first.name, first.dtype, first.shape, first.elements) == ("a", "F32", (2, 3), 6)
    assert (second.elements, second.bits) == (1, 32)


def test_metadata_is_no_tensor(tmp_path: Path) -> None:
    path = write(tmp_path / "w", {"__metadata__": {"format": "pt"}, "a": entry(0, 4)}, 4)
    assert [tensor.name for tensor in read_header(path)] == ["a"]


@pytest.mark.parametrize("cut", [1, 300])
def test_truncation_names_both_lengths(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {"a": (200,)})
    need = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(SpecError, match="truncated") as caught:
        read_header(path)
    assert caught.value.why == f"it is {need - cut:,} bytes long; its header needs {need:,}"


def test_file_that_ends_within_its_header_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes((1000).to_bytes(8, "little") + b"{")
    with pytest.raises(SpecError, match=r"9 bytes long; its header needs 1,008"):
        read_header(path)


def test_empty_file_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.touch()
    with pytest.raises(SpecError, match="0 bytes long; its header needs 8"):
        read_header(path)


def test_a_header_length_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes((2**63).to_bytes(8, "little") + b"{}")
    with pytest.raises(SpecError, match=f"the limit is {MAX_HEADER_BYTES:,}"):
        read_header(path)


@pytest.mark.parametrize(
    ("header", "data_bytes", "why"),
    [
        ({"a": entry(0, 4), "b": entry(2, 6)}, 6, "takes bytes 2 to 6"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, 12, "takes bytes 8 to 12"),
        ({"a": entry(0, 8)}, 8, "needs 4 bytes"),
        ({"a": entry(4, 0)}, 4, "takes bytes 4 to 0"),
        ({"a": entry(0, 4)}, 7, "3 bytes after the last tensor"),
        ({"a": entry(0, 4, dtype="Q2")}, 4, "not a known dtype"),
        ({"a": entry(0, 4, shape=[-2])}, 4, "not a known dtype"),
        ({"a": entry(0, 4, shape=["2"])}, 4, "not a known dtype"),
        ({"a": {"dtype": "BF16", "shape": [2]}}, 4, "two offsets"),
        ({"a": 5}, 4, "two offsets"),
    ],
)
def test_ranges_must_match_shapes(
    tmp_path: Path, header: dict[str, object], data_bytes: int, why: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_header(write(tmp_path / "w", header, data_bytes))
    assert why in caught.value.why


def test_header_that_is_no_json_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes((2).to_bytes(8, "little") + b"{]")
    with pytest.raises(SpecError, match="line 1 column 2"):
        read_header(path)


def test_git_lfs_pointer_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(SpecError, match="Git LFS pointer") as caught:
        read_header(path)
    assert "lfs pull" in caught.value.fix


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    os.mkfifo(path)
    with pytest.raises(SpecError, match="is no file"):
        read_header(path)
