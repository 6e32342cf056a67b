"""The contract of the WeightReader port; a reader's test class inherits it."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest

from paceline.ports.weights import Floats, WeightReader, Weights


class WeightReaderContract(ABC):
    """What every reader of checkpoints keeps."""

    @abstractmethod
    @pytest.fixture
    def reader(self) -> WeightReader:
        """The reader under test."""

    @abstractmethod
    @pytest.fixture
    def written(self, tmp_path: Path) -> dict[str, Floats]:
        """Writes a checkpoint with a vector and quantized matrices to `tmp_path`; what is in it."""

    @pytest.fixture
    def weights(self, reader: WeightReader, written: dict[str, Floats], tmp_path: Path) -> Weights:
        assert written
        found = reader.open(tmp_path)
        assert found is not None
        return found

    def test_every_matrix_has_its_shape(self, weights: Weights, written: dict[str, Floats]) -> None:
        found = weights.matrices()
        assert {name: (one.rows, one.columns) for name, one in found.items()} == {
            name: values.shape for name, values in written.items()
        }
        kinds = {one.bits is None for one in found.values()}
        assert kinds == {True, False}
        assert all(one.group is not None for one in found.values() if one.bits is not None)

    def test_rows_are_what_was_written(self, weights: Weights, written: dict[str, Floats]) -> None:
        for name, values in written.items():
            rows = weights.rows(name, np.arange(len(values)))
            assert rows.dtype == np.float32
            np.testing.assert_allclose(rows, values, rtol=1e-6, err_msg=name)

    def test_some_rows_are_those_rows(self, weights: Weights, written: dict[str, Floats]) -> None:
        for name, values in written.items():
            at = np.arange(0, len(values), 3)
            np.testing.assert_allclose(weights.rows(name, at), values[at], rtol=1e-6)

    def test_another_layout_is_not_opened(self, reader: WeightReader, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        assert reader.open(elsewhere) is None
        elsewhere.mkdir()
        (elsewhere / "notes.txt").write_text("no weights")
        assert reader.open(elsewhere) is None

    def test_a_broken_file_is_not_opened(
        self, reader: WeightReader, written: dict[str, Floats], tmp_path: Path
    ) -> None:
        assert written
        for path in tmp_path.iterdir():
            path.write_bytes(path.read_bytes()[:20])
        assert reader.open(tmp_path) is None
        for path in tmp_path.iterdir():
            path.write_bytes(path.read_bytes()[:4] + b"\xff" * 60)
        assert reader.open(tmp_path) is None, "lengths beyond any memory"
