"""The matrices of a checkpoint, as far as comparing two checkpoints needs them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """One tensor; a vector is a matrix of one row.

    `bits` is the logarithm of how many values a weight can take, of those that lie as far apart as
    the farthest; `None` where weights are floats as they were trained. `group` weights of a row
    share a scale.
    """

    rows: int
    columns: int
    bits: float | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """By how much a matrix of a quantized checkpoint differs from the original.

    `part` is which of its numbers do. `error` and `limit` are root mean squares, as shares of that
    of the original's weights; beyond the limit it is damage.
    """

    name: str
    part: str
    bits: float
    error: float
    limit: float
