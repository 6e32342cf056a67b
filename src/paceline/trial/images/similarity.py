"""How much one picture is like another: SSIM, PSNR.

SSIM as in Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE Transactions on Image Processing 13(4), 2004: a Gaussian window of
11 x 11 px with a deviation of 1.5 px, K1 = 0.01, K2 = 0.03, over the windows that lie whole inside
the picture. The mean over red, green and blue, for a model may lose a colour and keep the
lightness. Pictures much larger than 256 px are averaged down first, as the authors advise.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.trial.images.png import Pixels

RANGE: Final = 255.0
RADIUS_PX: Final = 5
DEVIATION_PX: Final = 1.5
SEEN_PX: Final = 256
"""The side in pixels at which a whole picture is looked at (www.cns.nyu.edu/~lcv/ssim)."""
_C1: Final = (0.01 * RANGE) ** 2
_C2: Final = (0.03 * RANGE) ** 2

Floats = npt.NDArray[np.float64]


def ssim(one: Pixels, other: Pixels) -> float:
    """−1 to 1, 1 for equal pictures. Both sides at least 11 px, of both pictures the same.

    Raises ValueError for pictures of different sizes.
    """
    _require_same_size(one, other)
    x, y = _as_seen(one), _as_seen(other)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x = _blurred(x * x) - mean_x**2
    variance_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    lightness = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float((lightness * structure).mean())


def psnr_db(one: Pixels, other: Pixels) -> float | None:
    """10 × log10(255² ÷ mean squared error) over all channels; `None` (no limit) for equal ones.

    Raises ValueError for pictures of different sizes.
    """
    _require_same_size(one, other)
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 10 * math.log10(RANGE**2 / error) if error else None


def _as_seen(pixels: Pixels) -> Floats:
    """Means of f × f px, f = the shorter side ÷ 256, rounded; at least 1."""
    height, width, _ = pixels.shape
    f = max(1, round(min(height, width) / SEEN_PX))
    values = pixels[: height // f * f, : width // f * f].astype(np.float64)
    means: Floats = values.reshape(height // f, f, width // f, f, -1).mean(axis=(1, 3))
    return means


def _blurred(values: Floats) -> Floats:
    """Gaussian means of every whole window: 2 × 5 px fewer per side."""
    at = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    weights = np.exp(-(at**2) / (2 * DEVIATION_PX**2))
    weights /= weights.sum()
    height, width = (side - 2 * RADIUS_PX for side in values.shape[:2])
    rows = sum(w * values[i : i + height] for i, w in enumerate(weights))
    columns: Floats = sum(w * rows[:, i : i + width] for i, w in enumerate(weights))
    return columns


def _require_same_size(one: Pixels, other: Pixels) -> None:
    if one.shape != other.shape:
        raise ValueError(f"{one.shape[1]}x{one.shape[0]} px and {other.shape[1]}x{other.shape[0]}")
