"""The learned correction: what rooflines miss, as a smooth function of the features.

A Gaussian process in its sparse form (subset of regressors, Rasmussen & Williams 2006, ch. 8):
a weighted sum of similarities to a few hundred anchor deployments, plus a ridge on the features
themselves and on the traits of the device crossed with the way of loading. Similarities fade with
distance, so far from everything measured the correction goes back to the mean of all and the band
widens. `benchmarks/fit_predictor.py` computes the coefficients; here they are only applied.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from paceline.plan.predict.deployment import Array, Index

Array32: TypeAlias = NDArray[np.float32]

PARAMETERS: Final = "correction.npz"
CLIP: Final = 5.0
"""Standard deviations beyond which a feature counts as no further away."""
CHUNK: Final = 256
"""Rows at a time: their similarities to 900 anchors (0.9 MB) stay in a core's own cache; blocks of
1024 took three times as long (`benchmarks/plan.py`)."""
THREADS: Final = 2
LONG_RANGE: Final = np.float32(0.2)
"""Reach of the slowly fading part of the similarity, relative to the fast one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Fitted numbers. Columns of `coefficients`: corrections of throughput, TPOT and TTFT (natural
    logarithms), then the logarithms of their spreads.
    """

    names: tuple[str, ...]
    mean: Array
    spread: Array
    scale: Array
    """Per standardized feature: how fast similarity fades along it."""
    long_range: float
    ridge: float
    crossing: float
    """The same for products of the features `traits` and the ways of loading `modes`."""
    traits: Index
    modes: Index
    anchors: Array32
    """`[anchors, features]`, standardized and scaled."""
    coefficients: Array32
    """`[anchors + features + crossed features + 1, 6]`."""
    quantiles: Array
    """Spreads to each side that hold 90 % of left-out groups, per metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Logarithmic corrections and spreads, `[deployments, 3]`: throughput, TPOT, TTFT."""

    shift: Array
    spread: Array


@cache
def fitted() -> Correction:
    """The committed parameters; read once."""
    data = files("paceline.plan.predict").joinpath(PARAMETERS).read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as stored:
        return Correction(
            names=tuple(str(name) for name in stored["names"]),
            mean=stored["mean"].astype(np.float64),
            spread=stored["spread"].astype(np.float64),
            scale=stored["scale"].astype(np.float64),
            long_range=float(stored["long_range"]),
            ridge=float(stored["ridge"]),
            crossing=float(stored["crossing"]),
            traits=stored["traits"].astype(np.intp),
            modes=stored["modes"].astype(np.intp),
            anchors=stored["anchors"].astype(np.float32),
            coefficients=stored["coefficients"].astype(np.float32),
            quantiles=stored["quantiles"].astype(np.float64),
        )


def corrected(columns: dict[str, Array], model: Correction) -> Corrected:
    """Apply the correction; 100 000 rows take a few tenths of a second on two cores.

    Blocks run on `THREADS` threads of their own, so the linear algebra underneath should use one
    each (`OPENBLAS_NUM_THREADS=1`, set by the command line): threads of both kinds at once made
    this four times slower.
    """
    raw = np.stack([columns[name] for name in model.names])
    poles = _poles(model.anchors)

    values = np.zeros((raw.shape[1], 6), dtype=np.float32)

    def every_other_block(first: int) -> None:
        room = _room(min(CHUNK, raw.shape[1]), poles)
        for start in range(first * CHUNK, raw.shape[1], THREADS * CHUNK):
            part = raw[:, start : start + CHUNK].T
            standard = standardized(part, model.mean, model.spread).astype(np.float32)
            loads = part[:, model.modes].astype(np.float32)
            products = crossed(standard[:, model.traits], loads)
            values[start : start + CHUNK] = _applied(standard, products, model, poles, room)

    if raw.shape[1] <= CHUNK:  # one block, done sooner than threads are started
        every_other_block(0)
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(every_other_block, range(THREADS)))
    shift, log_spread = values[:, :3].astype(np.float64), values[:, 3:].astype(np.float64)
    return Corrected(shift=shift, spread=np.exp(np.clip(log_spread, -4.0, 1.5)))


def standardized(raw: Array, mean: Array, spread: Array) -> Array:
    """Features in standard deviations, bounded so that no single one dominates."""
    bounded: Array = np.clip((raw - mean) / spread, -CLIP, CLIP)
    return bounded


def crossed(traits: Array32, loads: Array32) -> Array32:
    """Each trait under each way of loading, zero under the others: `[rows, traits x (loads + 1)]`.

    Which figure of a device decides depends on how it is loaded: a burst shows its arithmetic, a
    single stream its bandwidth. `loads` are indicators; rows with none of them (a closed loop) are
    a way of their own.
    """
    ways = np.concatenate([loads, 1.0 - loads.sum(axis=1, keepdims=True)], axis=1)
    products: Array32 = traits[:, :, None] * ways[:, None, :]
    return products.reshape(len(traits), -1)


def _applied(
    standard: Array32, products: Array32, model: Correction, poles: Array32, room: Array32
) -> Array32:
    near = _similar(standard * model.scale.astype(np.float32), poles, model.long_range, room)
    count, features = len(model.anchors), len(model.names)
    own, crossed_too = (
        model.coefficients[count:-1][:features],
        model.coefficients[count:-1][features:],
    )
    total: Array32 = near @ model.coefficients[:count]
    total += (standard * np.float32(model.ridge)) @ own
    total += (products * np.float32(model.crossing)) @ crossed_too
    total += model.coefficients[-1]
    return total


def similarities(points: Array32, anchors: Array32, long_range: float) -> Array32:
    """Matern 3/2 plus `long_range` times a slow exponential, `[points, anchors]`."""
    poles = _poles(anchors)
    return _similar(points, poles, long_range, _room(len(points), poles))


def _poles(anchors: Array32) -> Array32:
    """Anchors laid out so that one product gives squared, scaled distances.

    3 LONG_RANGE² (|x|² - 2 x·a + |a|²) = [x, 1, |x|²] · poles.
    """
    scale = np.float32(3.0) * LONG_RANGE * LONG_RANGE
    lengths = np.einsum("ij,ij->i", anchors, anchors)[None, :]
    poles: Array32 = scale * np.concatenate(
        [np.float32(-2.0) * anchors.T, lengths, np.ones_like(lengths)]
    )
    return np.ascontiguousarray(poles)


def _room(rows: int, poles: Array32) -> Array32:
    """Where `_similar` works, `[3, rows, anchors]`.

    Used again for block after block: memory of a thread goes back to the system as soon as it is
    free, and asking for it anew made `paceline plan` a quarter slower.
    """
    return np.empty((3, rows, poles.shape[1]), dtype=np.float32)


def _similar(points: Array32, poles: Array32, long_range: float, room: Array32) -> Array32:
    """A view of `room`."""
    far: Array32
    far, slow, fast = room[:, : len(points)]
    lengths = np.einsum("ij,ij->i", points, points)[:, None]
    np.matmul(np.concatenate([points, np.ones_like(lengths), lengths], axis=1), poles, out=far)
    # beside a row of zeros numpy compares vectors, beside a single zero one number at a time
    np.maximum(far, np.zeros(far.shape[1], dtype=np.float32), out=far)
    np.sqrt(far, out=far)
    np.negative(far, out=slow)
    np.exp(slow, out=slow)
    np.multiply(slow, slow, out=fast)
    fast *= fast  # e^-r from (e^-r/5)^5: one exponential instead of two
    far *= np.float32(1.0) / LONG_RANGE
    far += np.float32(1.0)
    far *= fast
    far += np.float32(long_range)
    far *= slow
    return far
