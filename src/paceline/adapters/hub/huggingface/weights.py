"""Which files of a repository are its weights, and whether its index can be true.

The single file, else the shards that the index names: the same choice that engines make. Copies in
other layouts (`original/`, `consolidated…`) are not fetched.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from paceline.records.checkpoint import RemoteFile
from paceline.units import BYTES_PER_GIB, format_gib

WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class BrokenIndex(Exception):
    """The weights are not there, or not all of them; both sides where there are two."""

    def __init__(self, reason: str, *, have: str | None = None, need: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.have = have
        self.need = need


def weight_files(
    files: Iterable[RemoteFile], index: Mapping[str, object] | None
) -> tuple[RemoteFile, ...]:
    """The safetensors files to load. Raises BrokenIndex."""
    by_path = {file.path: file for file in files}
    if WEIGHTS in by_path:
        return (by_path[WEIGHTS],)
    if index is None:
        raise _without_index(by_path)
    placed = index.get("weight_map")
    if not isinstance(placed, Mapping) or not placed:
        raise BrokenIndex(f"corrupt {INDEX}: no weight_map")
    shards = sorted({str(shard) for shard in placed.values()})
    there = [by_path[shard] for shard in shards if shard in by_path]
    if len(there) < len(shards):
        raise BrokenIndex(
            f"corrupt {INDEX}: it names shards that are not there",
            have=f"{len(there)} shards",
            need=f"{len(shards)} shards",
        )
    _check_size(there, index)
    return tuple(there)


def _check_size(there: Iterable[RemoteFile], index: Mapping[str, object]) -> None:
    """Shards hold the tensors and their headers, so they are never smaller than the tensors."""
    metadata = index.get("metadata")
    need = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    have = sum(file.size_bytes for file in there)
    if isinstance(need, int) and have < need:
        raise BrokenIndex(
            f"corrupt {INDEX}: the shards are smaller than their tensors",
            have=_bytes(have),
            need=_bytes(need),
        )


def _without_index(by_path: Mapping[str, RemoteFile]) -> BrokenIndex:
    if any(path.endswith(PICKLES) for path in by_path):
        return BrokenIndex("the weights are pickles, which can run any code when loaded")
    others = sum(path.endswith(".safetensors") for path in by_path)
    if others:
        return BrokenIndex(
            f"no weights by a name that engines know: {others} safetensors files, none is called"
            f" {WEIGHTS}, and no model_index.json says what they are"
        )
    return BrokenIndex(f"no weights: neither {WEIGHTS} nor {INDEX} is there")


def _bytes(count: int) -> str:
    return f"{count:,} bytes ({format_gib(count / BYTES_PER_GIB)})"
