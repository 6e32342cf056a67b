"""What a denoiser handed to its decoder, read again and compared: SSIM, PSNR.

A decoder clips and smooths: what is broken or has drifted in the latents can be hard to see in the
pixels. Latents are small planes (a value for 8 x 8 px), so each channel is one window: SSIM with
the means and deviations of the whole plane. Kept as NPY files of 16-bit floats.
"""

import io
import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PACKED: Final = 2
"""Axes of `[positions, channels]`, as FLUX has them; others are `[channels, height, width]`."""
PLANES: Final = 3
_K1, _K2 = 0.01, 0.03
"""As for pictures (`similarity`)."""


class Unlike(Exception):
    """These are no latents, or none that can be compared; the message says why."""


def read_latents(data: bytes) -> Floats:
    """`[channels, positions]`. Raises Unlike for what is no such file, no number or all alike."""
    try:
        stored = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise Unlike(f"the latents are no NPY file: {error}") from error
    if not isinstance(stored, np.ndarray) or stored.dtype.kind != "f":
        raise Unlike("the latents are no array of floats")
    if stored.ndim not in (PACKED, PLANES) or not stored.size:
        raise Unlike(f"the latents have the shape {stored.shape}")
    values = stored.astype(np.float64)
    broken = int(values.size - np.isfinite(values).sum())
    if broken:
        raise Unlike(f"{broken:,} of {values.size:,} values of the latents are no number")
    if not np.ptp(values):
        raise Unlike(f"all {values.size:,} values of the latents are {values.flat[0]:g}")
    return values.T if values.ndim == PACKED else values.reshape(len(values), -1)


def latent_ssim(one: Floats, reference: Floats) -> float:
    """−1 to 1, 1 for equal ones: the mean over channels. Raises Unlike for different shapes."""
    span = _span(one, reference)
    # From 0 up, as pixels are: about a mean of 0, the sign of the means would decide.
    least = reference.min()
    one, reference = one - least, reference - least
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    mean_x, mean_y = one.mean(axis=1), reference.mean(axis=1)
    covariance = (one * reference).mean(axis=1) - mean_x * mean_y
    lightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (one.var(axis=1) + reference.var(axis=1) + c2)
    return float((lightness * structure).mean())


def latent_psnr_db(one: Floats, reference: Floats) -> float | None:
    """10 × log10(span² ÷ mean squared error), span: greatest − least value of the reference; `None`
    (no limit) for equal ones. Raises Unlike for different shapes."""
    span = _span(one, reference)
    error = float(np.mean((one - reference) ** 2))
    return 10 * math.log10(span**2 / error) if error else None


def _span(one: Floats, reference: Floats) -> float:
    if one.shape != reference.shape:
        raise Unlike(
            f"the latents have {one.shape[0]} channels of {one.shape[1]:,} values,"
            f" the baseline's {reference.shape[0]} of {reference.shape[1]:,}"
        )
    return float(np.ptp(reference))
