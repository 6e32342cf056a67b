import math
from pathlib import Path

import numpy as np
import pytest

from paceline.adapters.hub.local.dense import DenseTensor, Role
from paceline.adapters.hub.local.safetensors import read_header
from paceline.adapters.hub.local.synth import random_weights
from paceline.adapters.hub.local.synth.random_weights import round_to_bf16, write_weights
from paceline.adapters.hub.local.weights import read_weights

TENSORS = (
    DenseTensor(name="embed", shape=(400, 16), role=Role.EMBEDDING),
    DenseTensor(name="norm", shape=(16,), role=Role.NORM),
    DenseTensor(name="up", shape=(300, 16), role=Role.PROJECTION),
    DenseTensor(name="down.0", shape=(16, 300), role=Role.RESIDUAL),
    DenseTensor(name="down.1", shape=(16, 300), role=Role.RESIDUAL),
    DenseTensor(name="bias", shape=(16,), role=Role.BIAS),
)
SILENT = 3


def quiet(_line: str) -> None:
    """Progress is not what is tested."""


def write(folder: Path, *, seed: int = 0, dtype: str = "fp32", shard: int = 10**9) -> None:
    folder.mkdir(exist_ok=True)
    write_weights(
        folder, TENSORS, dtype=dtype, seed=seed, silent_tokens=SILENT, say=quiet,
        max_shard_bytes=shard,
    )  # fmt: skip


def values(folder: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """All tensors of fp32 weights, read without the code under test's writer."""
    found = {}
    for path in read_weights(folder).files:
        content = path.read_bytes()
        data = np.frombuffer(content[8 + int.from_bytes(content[:8], "little") :], dtype="<f4")
        for tensor in read_header(path):
            found[tensor.name], data = data[: tensor.elements], data[tensor.elements :]
    return found


def test_each_role_is_initialized_its_own_way(tmp_path: Path) -> None:
    write(tmp_path)
    found = values(tmp_path)
    assert np.all(found["norm"] == 1)
    assert np.all(found["bias"] == 0)
    assert np.all(found["embed"][: SILENT * 16] == 0)
    assert np.all(found["embed"][SILENT * 16 :] != 0)
    assert np.std(found["up"]) == pytest.approx(0.02, rel=0.05)
    assert np.std(found["down.0"]) == pytest.approx(0.02 / math.sqrt(2), rel=0.05)
    assert not np.array_equal(found["down.0"], found["down.1"])


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, seed=seed, dtype="bf16")
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_shards_hold_the_same_weights_as_one_file(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "many", shard=40_000)
    assert len(read_weights(tmp_path / "many").files) == 3
    one, many = values(tmp_path / "one"), values(tmp_path / "many")
    assert one.keys() == many.keys()
    assert all(np.array_equal(one[name], many[name]) for name in one)


def test_chunks_do_not_change_what_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_weights, "CHUNK_ELEMENTS", 20)
    write(tmp_path)
    embed = values(tmp_path)["embed"]
    assert np.all(embed[: SILENT * 16] == 0)
    assert np.all(embed[SILENT * 16 :] != 0)


@pytest.mark.parametrize(("dtype", "named"), [("bf16", "BF16"), ("fp16", "F16"), ("fp32", "F32")])
def test_header_names_the_dtype(tmp_path: Path, dtype: str, named: str) -> None:
    write(tmp_path, dtype=dtype)
    assert {tensor.dtype for tensor in read_header(tmp_path / "model.safetensors")} == {named}


def test_bf16_rounds_to_nearest_even() -> None:
    # 1 + 2^-8 lies halfway between 1 (even) and 1 + 2^-7; 1 + 3 x 2^-8 between that and 1 + 2^-6.
    numbers = np.array([1.0, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 3 * 2**-8, -2.5], dtype=np.float32)
    assert [hex(bits) for bits in round_to_bf16(numbers)] == [
        "0x3f80",
        "0x3f80",
        "0x3f81",
        "0x3f82",
        "0xc020",
    ]
