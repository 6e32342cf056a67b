from collections.abc import Mapping

import pytest

from paceline.adapters.hub.huggingface.weights import BrokenIndex, weight_files
from paceline.records.checkpoint import RemoteFile

A, B = (RemoteFile(path=f"{name}.safetensors", size_bytes=100) for name in "ab")
SINGLE = RemoteFile(path="model.safetensors", size_bytes=100)
ORIGINAL = RemoteFile(path="consolidated.safetensors", size_bytes=999)
PICKLE = RemoteFile(path="pytorch_model.bin", size_bytes=100)


def index(*shards: str, total_size: object = 150) -> Mapping[str, object]:
    return {"metadata": {"total_size": total_size}, "weight_map": {s: s for s in shards}}


def test_the_single_file_wins_over_other_layouts() -> None:
    assert weight_files([ORIGINAL, SINGLE, PICKLE], None) == (SINGLE,)


def test_else_the_shards_of_the_index() -> None:
    shards = weight_files([B, ORIGINAL, A], index(B.path, A.path))
    assert shards == (A, B)
    assert weight_files([A], {"weight_map": {"x": A.path}}) == (A,)


@pytest.mark.parametrize(
    ("files", "found", "reason", "have", "need"),
    [
        ([A], None, "no weights", None, None),
        ([PICKLE], None, "the weights are pickles", None, None),
        ([A], {}, "no weight_map", None, None),
        ([A], {"weight_map": []}, "no weight_map", None, None),
        ([A], index(A.path, B.path), "not there", "1 shards", "2 shards"),
        ([A], index(A.path), "smaller", "100 bytes (0.0 MiB)", "150 bytes (0.0 MiB)"),
    ],
)
def test_what_cannot_be_true_is_refused_with_both_sides(
    files: list[RemoteFile],
    found: Mapping[str, object] | None,
    reason: str,
    have: str | None,
    need: str | None,
) -> None:
    with pytest.raises(BrokenIndex) as caught:
        weight_files(files, found)
    assert reason in caught.value.reason
    assert (caught.value.have, caught.value.need) == (have, need)
