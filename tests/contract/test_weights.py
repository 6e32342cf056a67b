"""Every reader of checkpoints passes the same tests, on files written here byte by byte."""

import json
import math
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from paceline.adapters.weights.gguf import GgufReader
from paceline.adapters.weights.openvino import OpenVinoReader
from paceline.adapters.weights.safetensors import SafetensorsReader
from paceline.ports.weights import Floats, WeightReader
from paceline.testing.weights import WeightReaderContract

CHANCE = np.random.default_rng(7)
NORM = np.array([[0.5, 1.0, -2.0, 4.0] * 16], dtype=np.float32)
ROWS, COLUMNS, GROUP = 10, 64, 32
Array = npt.NDArray[Any]


def bf16(values: Floats) -> Array:
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def packed(values: Array, bits: int) -> Array:
    """Rows of unsigned integers as dense 32-bit words, low bits first, filled up with zeros."""
    digits = (values[:, :, None] >> np.arange(bits)) & 1
    rows = digits.reshape(len(values), -1).astype(np.uint8)
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 32)))
    return np.packbits(filled, axis=1, bitorder="little").view("<i4")


def safetensors(path: Path, tensors: dict[str, tuple[str, Array]]) -> None:
    header, data = {}, b""
    for name, (dtype, values) in tensors.items():
        raw = np.ascontiguousarray(values).tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


class SafetensorsContract(WeightReaderContract):
    @pytest.fixture
    def reader(self) -> WeightReader:
        return SafetensorsReader()

    def write(self, folder: Path, bits: int, tensors: dict[str, tuple[str, Array]]) -> None:
        scheme = {"config_groups": {"group_0": {"weights": {"num_bits": bits}}}}
        (folder / "config.json").write_text(json.dumps({"quantization_config": scheme}))
        safetensors(
            folder / "model.safetensors", {"norm.weight": ("BF16", bf16(NORM)[0]), **tensors}
        )


class TestPackedWithZeroPoints(SafetensorsContract):
    @pytest.fixture(params=[3, 4, 8])
    def written(self, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Floats]:
        bits: int = request.param
        values = CHANCE.integers(0, 2**bits, (ROWS, COLUMNS))
        zeros = CHANCE.integers(0, 2**bits, (ROWS, 2))
        scales = CHANCE.choice([0.5, 0.25, 2], (ROWS, 2)).astype(np.float32)
        tensors: dict[str, tuple[str, Array]] = {
            "up.weight_packed": ("I32", packed(values, bits)),
            "up.weight_shape": ("I64", np.array([ROWS, COLUMNS])),
            "up.weight_scale": ("BF16", bf16(scales)),
            "up.weight_zero_point": ("I32", packed(zeros.T, bits).T),
        }
        self.write(tmp_path, bits, tensors)
        per_group = values.reshape(ROWS, 2, GROUP) - zeros[:, :, None]
        weights = (per_group * scales[:, :, None]).reshape(ROWS, COLUMNS)
        return {"norm": NORM, "up": weights.astype(np.float32)}


def test_words_with_gaps_are_another_layout(tmp_path: Path) -> None:
    """Earlier versions put ten numbers of 3 bits into a word, and left two bits."""
    tensors = {
        "up.weight_packed": ("I32", np.zeros((ROWS, math.ceil(COLUMNS / 10)), dtype=np.int32)),
        "up.weight_shape": ("I64", np.array([ROWS, COLUMNS])),
        "up.weight_scale": ("BF16", bf16(np.ones((ROWS, 2), dtype=np.float32))),
    }
    TestPackedWithZeroPoints().write(tmp_path, 3, tensors)
    weights = SafetensorsReader().open(tmp_path)
    assert weights is not None
    assert set(weights.matrices()) == {"norm"}


class TestBytes(SafetensorsContract):
    @pytest.fixture
    def written(self, tmp_path: Path) -> dict[str, Floats]:
        values = CHANCE.integers(-127, 128, (ROWS, COLUMNS)).astype(np.int8)
        scales = CHANCE.choice([0.5, 0.25], (ROWS, 1)).astype(np.float32)
        eights = np.array([[0x38, 0xB8, 0x40, 0x01, 0x7E, 0x00, 0x08, 0x81]], dtype=np.uint8)
        fp8 = np.array([[1, -1, 2, 2**-9, 448, 0, 2**-6, -(2**-9)]], dtype=np.float32)
        tensors: dict[str, tuple[str, Array]] = {
            "up.weight": ("I8", values),
            "up.weight_scale": ("BF16", bf16(scales)),
            "down.weight": ("F8_E4M3", np.repeat(eights, 3, axis=0)),
            "down.weight_scale": ("BF16", bf16(np.full(1, 0.5, dtype=np.float32))),
        }
        self.write(tmp_path, 8, tensors)
        return {"norm": NORM, "up": values * scales, "down": np.repeat(fp8, 3, axis=0) / 2}


class TestOpenVino(WeightReaderContract):
    @pytest.fixture
    def reader(self) -> WeightReader:
        return OpenVinoReader()

    @pytest.fixture
    def written(self, tmp_path: Path) -> dict[str, Floats]:
        scales = CHANCE.choice([0.5, 0.25], (ROWS, 2, 1)).astype(np.float16)
        fours = CHANCE.integers(0, 16, (ROWS, 2, GROUP)).astype(np.uint8)
        zeros = CHANCE.integers(0, 16, (ROWS, 2, 1)).astype(np.uint8)
        signed = CHANCE.integers(-8, 8, (ROWS, 2, GROUP)).astype(np.int8)
        eights = CHANCE.integers(-127, 128, (ROWS, COLUMNS)).astype(np.int8)
        constants: dict[str, tuple[str, Array]] = {
            "self.norm.weight": ("f32", NORM[0]),
            "self.up._openvino_orig_weight": ("u4", fours),
            "self.up._openvino_orig_weight/zero_point": ("u4", zeros),
            "self.up._openvino_orig_weight/scale": ("f16", scales),
            "self.gate.weight": ("i4", signed),
            "self.gate.weight/scale": ("f16", scales),
            "self.down.weight": ("i8", eights),
            "self.down.weight/scale": ("f16", scales[:, 0]),
        }
        self.write(tmp_path, constants)
        wide = scales.astype(np.float32)
        found = {
            "up": (fours.astype(np.float32) - zeros) * wide,
            "gate": signed.astype(np.float32) * wide,
            "down": eights.astype(np.float32) * wide[:, 0],
        }
        return {"norm": NORM} | {name: one.reshape(ROWS, COLUMNS) for name, one in found.items()}

    def write(self, folder: Path, constants: dict[str, tuple[str, Array]]) -> None:
        layers, data = "", b""
        for name, (type_, values) in constants.items():
            raw = values.tobytes()
            if type_ in ("u4", "i4"):
                nibbles = values.reshape(-1).view(np.uint8) & 15
                raw = (nibbles[::2] | (nibbles[1::2] << 4)).tobytes()
            shape = ", ".join(str(size) for size in values.shape)
            layers += (
                f'<layer name="{name}" type="Const"><data element_type="{type_}" shape="{shape}"'
                f' offset="{len(data)}" size="{len(raw)}"/></layer>'
            )
            data += raw
        (folder / "openvino_model.xml").write_text(f"<net><layers>{layers}</layers></net>")
        (folder / "openvino_model.bin").write_bytes(data)


class TestGguf(WeightReaderContract):
    """The layout of a file; that each type of block is read as llama.cpp's own package reads it is
    in `tests/e2e/test_damaged_weights.py`."""

    @pytest.fixture
    def reader(self) -> WeightReader:
        return GgufReader()

    @pytest.fixture
    def written(self, tmp_path: Path) -> dict[str, Floats]:
        scales = CHANCE.choice([0.5, 0.25], (ROWS, 2, 1)).astype(np.float16)
        eights = CHANCE.integers(-127, 128, (ROWS, 2, GROUP)).astype(np.int8)
        fours = CHANCE.integers(0, 16, (ROWS, 2, GROUP)).astype(np.uint8)
        halves = fours[:, :, :16] | (fours[:, :, 16:] << 4)
        tensors: dict[str, tuple[int, tuple[int, ...], Any]] = {
            "norm.weight": (0, (COLUMNS,), NORM.tobytes()),
            "up.weight": (8, (COLUMNS, ROWS), np.dstack([scales.view("u1"), eights.view("u1")])),
            "down.weight": (2, (COLUMNS, ROWS), np.dstack([scales.view("u1"), halves])),
            "rope_freqs.weight": (99, (COLUMNS,), b"a type that nobody knows"),
        }
        self.write(tmp_path / "model.gguf", tensors)
        wide = scales.astype(np.float32)
        up, down = eights * wide, (fours.astype(np.float32) - 8) * wide
        shape = ROWS, COLUMNS
        return {"norm": NORM, "up": up.reshape(shape), "down": down.reshape(shape)}

    def write(self, path: Path, tensors: dict[str, tuple[int, tuple[int, ...], Any]]) -> None:
        pairs = [
            self.text("general.alignment") + pack("<II", 4, 64),
            self.text("general.name") + pack("<I", 8) + self.text("toy"),
            self.text("tokens") + pack("<IIQ", 9, 8, 2) + self.text("a") + self.text("bc"),
        ]
        head = b"GGUF" + pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
        data = b""
        for name, (type_, shape, values) in tensors.items():
            sizes = pack(f"<I{len(shape)}Q", len(shape), *shape)
            head += self.text(name) + sizes + pack("<IQ", type_, len(data))
            data += values if isinstance(values, bytes) else values.tobytes()
            data += bytes(-len(data) % 64)
        path.write_bytes(head + bytes(-len(head) % 64) + data)

    def text(self, words: str) -> bytes:
        return pack("<Q", len(words)) + words.encode()
