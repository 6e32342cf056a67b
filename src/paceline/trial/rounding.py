"""Tells a quantized checkpoint whose weights are damaged from one that was only rounded.

Both checkpoints are at hand as files, so no engine has to run. The error of each matrix falls into
two parts. Rounding points anywhere: in a group of G weights that share a scale, one G-th of the
square of its error lies along the weights themselves. A wrong scale lies along them entirely, which
is how it stands out where the error as a whole does not.

Not told here: damage to all matrices alike (distributions show it), and what lies in the floats
that a checkpoint keeps.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.ports.weights import Floats, Weights
from paceline.records.weights import Deviation, Matrix

MOST_WEIGHTS: Final = 1 << 20
"""Of one matrix that are looked at: some 50 MB meanwhile, and some milliseconds."""
FEWEST_ROWS: Final = 64

SCALE_TIMES: Final = 4.0
REST_TIMES: Final = 4.0
"""How much more error than rounding explains is damage. Seen with the reference model in every
format that is made here: at most 0.32 of the limit in sound ones, at least 2.4 times the limit with
the scales of a layer shuffled (docs/log.md, 2026-11-21)."""
SCALE_LEAST: Final = 0.02
REST_LEAST: Final = 0.5
"""Shares of the size of the weights below which an error is no damage on any grid. A shuffle of
scales makes 0.1 and more; weights of another matrix, or in another order, make 1.4."""
SCALE_PRECISION: Final = 2.0**-9
"""Scales are kept in bf16 at worst: a relative error of at most half the last of 8 bits."""
SMALLEST_SCALE: Final = 2.0**-25
"""Half the last bit of the smallest numbers of fp16, which is kept where scales are tiny."""
SMOOTHED: Final = 2.0**-7
"""Two roundings to bf16. Floats that differ by more were changed on purpose, as AWQ does it."""
_FIT_ROUNDS: Final = 3
_FIRST: Final = np.zeros(1, dtype=np.int64)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One part of a matrix's error, and what rounding explains of it."""

    error: float
    explained: float

    @property
    def times(self) -> float:
        return self.error / self.explained


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    name: str
    bits: float
    scale: _Part
    rest: _Part


def find_damage(original: Weights, made: Weights, *, seed: int) -> Deviation | None:
    """The matrix of `made` that exceeds its limit by most; `None` when rounding explains all.

    Takes some 50 ms per million weights looked at. Raises OSError, and ValueError for a file that
    ends too early.
    """
    beyond = [one for one in deviations(original, made, seed=seed) if one.error > one.limit]
    return max(beyond, key=lambda one: one.error / one.limit, default=None)


def deviations(original: Weights, made: Weights, *, seed: int) -> tuple[Deviation, ...]:
    """Both parts of the error of every quantized matrix that both have.

    The limit is several times what the grid of a matrix explains, as many times what the other
    matrices have beyond that, if they have more, and never below what is no damage on any grid.
    """
    pairs = _pairs(original, made)
    if all(matrix.bits is None for matrix in pairs.values()):
        return ()
    smoothed = _is_smoothed(original, made, pairs)
    chance = np.random.default_rng(seed)
    found = []
    for name, matrix in sorted(pairs.items()):
        if matrix.bits is None:
            continue
        at = _some(matrix, chance)
        measured = _measure(name, matrix, original.rows(name, at), made.rows(name, at), smoothed)
        found += [measured] if measured is not None else []
    return (
        *_judged("scales", SCALE_TIMES, SCALE_LEAST, [(one, one.scale) for one in found]),
        *_judged("weights", REST_TIMES, REST_LEAST, [(one, one.rest) for one in found]),
    )


def _pairs(original: Weights, made: Weights) -> Mapping[str, Matrix]:
    """The matrices that both have, as they are in `made`."""
    before = original.matrices()
    return {
        name: matrix
        for name, matrix in made.matrices().items()
        if name in before
        and before[name].bits is None
        and (before[name].rows, before[name].columns) == (matrix.rows, matrix.columns)
    }


def _is_smoothed(original: Weights, made: Weights, pairs: Mapping[str, Matrix]) -> bool:
    """Whether vectors that stayed floats changed: then factors moved between layers."""
    return any(
        _size(made.rows(name, _FIRST) - before) > SMOOTHED * _size(before)
        for name, matrix in pairs.items()
        if matrix.bits is None and matrix.rows == 1
        for before in [original.rows(name, _FIRST)]
    )


def _size(values: Floats) -> float:
    return float(np.linalg.norm(values))


def _some(matrix: Matrix, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows to look at, in their order."""
    wanted = max(FEWEST_ROWS, MOST_WEIGHTS // matrix.columns)
    if wanted >= matrix.rows:
        return np.arange(matrix.rows)
    return np.sort(chance.choice(matrix.rows, wanted, replace=False))


def _measure(
    name: str, matrix: Matrix, before: Floats, after: Floats, smoothed: bool
) -> _Found | None:
    """`None` for a matrix of zeros.

    What rounding explains: a uniform grid errs by step ÷ √12 (Bennett, Spectra of quantized
    signals, 1948), the step being the widest that the group needs, 2 max|w| ÷ (2^bits − 1).
    """
    bits, group = matrix.bits or 0.0, matrix.group or matrix.columns
    whole = matrix.columns // group * group
    was: Doubles = before[:, :whole].astype(np.float64)
    now: Doubles = after[:, :whole].astype(np.float64)
    was = _without_unused(was, now)
    if smoothed:
        was = _fitted(was, now)
    was, now = was.reshape(-1, group), now.reshape(-1, group)
    square = (was * was).sum(axis=1)
    total = float(square.sum())
    if total <= 0 or not math.isfinite(total):
        return None
    error = now - was
    along = (error * was).sum(axis=1) ** 2 / np.maximum(square, np.finfo(np.float64).tiny)
    wrong_scales = float(along.sum()) / total
    rest = max(float((error * error).sum()) / total - wrong_scales, 0.0)
    steps = 2 * np.abs(was).max(axis=1) / (2**bits - 1)
    rounding = float((group * steps**2 / 12).sum()) / total
    tiny = SMALLEST_SCALE / np.maximum(steps, SMALLEST_SCALE)
    kept = SCALE_PRECISION**2 / 3 + float((square * tiny**2).sum()) / total
    return _Found(
        name=name,
        bits=bits,
        scale=_Part(error=_root(wrong_scales), explained=math.sqrt(rounding / group + kept)),
        rest=_Part(error=_root(rest), explained=math.sqrt(rounding)),
    )


def _root(square: float) -> float:
    """Infinite for a matrix with values that are no numbers."""
    return math.sqrt(square) if math.isfinite(square) else math.inf


def _without_unused(was: Doubles, now: Doubles) -> Doubles:
    """Without the columns that are zero in what was made, unless they are most.

    GPTQ empties the columns whose input it never saw (Frantar and others 2022, in their code).
    """
    unused = ~now.any(axis=0)
    if unused.sum() > unused.size / 2:
        return was
    return np.where(unused, 0.0, was)


def _fitted(was: Doubles, now: Doubles) -> Doubles:
    """The original with the factor per column and per row that brings it closest.

    AWQ and SmoothQuant divide the outputs of one layer, and multiply the inputs of the next by the
    same factors (Lin and others 2023; Xiao and others 2022), so these are no damage.
    """
    fitted = was
    for _ in range(_FIT_ROUNDS):
        for axis in (0, 1):
            square = (fitted * fitted).sum(axis=axis, keepdims=True)
            shared = (fitted * now).sum(axis=axis, keepdims=True)
            fitted = fitted * np.divide(shared, square, out=np.ones_like(square), where=square > 0)
    return fitted


def _judged(
    what: str, times: float, least: float, parts: Sequence[tuple[_Found, _Part]]
) -> Iterator[Deviation]:
    """Each matrix with its limit: what rounding explains, and what the others have beyond it."""
    for one, part in parts:
        others = [other.times for same, other in parts if same is not one]
        usual = max(1.0, statistics.median(others)) if others else 1.0
        limit = max(times * usual * part.explained, least)
        yield Deviation(name=one.name, part=what, bits=one.bits, error=part.error, limit=limit)
