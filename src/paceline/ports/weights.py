"""The weights of a checkpoint as numbers, whatever file they are in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paceline.records.weights import Matrix

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Weights(Protocol):
    """One checkpoint, open for reading."""

    def matrices(self) -> Mapping[str, Matrix]:
        """Those that can be read, by the module that they belong to, as in the original.

        `model.layers.0.mlp.up_proj`; a GGUF file has names of its own.
        """
        ...

    def rows(self, name: str, at: Rows) -> Floats:
        """Some rows of one matrix as floats, `[rows, columns]`; `at` ascends.

        Reads no more of the file than that. Raises OSError.
        """
        ...


class WeightReader(Protocol):
    """Reads checkpoints of one layout."""

    def open(self, folder: Path) -> Weights | None:
        """The checkpoint in `folder`; `None` when it is not in this layout, or broken."""
        ...
