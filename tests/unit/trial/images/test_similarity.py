"""SSIM and PSNR against figures of scikit-image 0.26.0 and against what must hold by definition."""

import math

import numpy as np
import pytest

from paceline.testing.pictures import drawn
from paceline.trial.images.png import Pixels
from paceline.trial.images.similarity import psnr_db, ssim

# structural_similarity(..., gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
# data_range=255, channel_axis=2) and peak_signal_noise_ratio(..., data_range=255)
BY_SCIKIT_IMAGE = {
    "patch": (0.8179516594791245, 15.564869136597254),
    "moved": (0.8842577836963628, 15.939544695870273),
    "noise": (0.8244389540263581, 32.59529566770371),
}


def _original() -> Pixels:
    down, across = np.mgrid[0:64, 0:96]
    channels = (across * 255 // 95, down * 255 // 63, (across * 7 + down * 13) % 256)
    pixels: Pixels = np.stack(channels, axis=2).astype(np.uint8)
    return pixels


def _changed(how: str) -> Pixels:
    original = _original()
    if how == "moved":
        return np.roll(original, 2, axis=1)
    if how == "patch":
        original[20:40, 30:60] = (255, 0, 0)
        return original
    down, across = np.mgrid[0:64, 0:96]
    noise = (across * 31 + down * 17) % 21 - 10
    noisy: Pixels = (original.astype(int) + noise[..., None]).clip(0, 255).astype(np.uint8)
    return noisy


@pytest.mark.parametrize("how", BY_SCIKIT_IMAGE)
def test_agrees_with_scikit_image(how: str) -> None:
    wanted_ssim, wanted_psnr_db = BY_SCIKIT_IMAGE[how]
    assert ssim(_original(), _changed(how)) == pytest.approx(wanted_ssim, abs=1e-9)
    assert psnr_db(_original(), _changed(how)) == pytest.approx(wanted_psnr_db, abs=1e-9)


def test_a_picture_is_exactly_like_itself() -> None:
    picture = drawn(3)
    assert ssim(picture, picture) == 1.0
    assert psnr_db(picture, picture) is None  # no error, so no limit


def test_is_the_same_both_ways() -> None:
    one, other = drawn(1), drawn(2)
    assert ssim(one, other) == pytest.approx(ssim(other, one), abs=1e-12)


def test_more_damage_scores_less() -> None:
    original = drawn(1, side_px=48)
    chance = np.random.default_rng(0)
    scores = []
    for levels in (2, 8, 32, 96):
        noise = chance.integers(-levels, levels + 1, original.shape)
        worse = (original.astype(int) + noise).clip(0, 255).astype(np.uint8)
        scores.append(ssim(original, worse))
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9
    assert scores[-1] < 0.5


def test_a_lost_colour_counts_though_its_lightness_is_kept() -> None:
    original = drawn(5)
    grey = np.repeat(original.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert ssim(original, grey) < 0.98


def test_large_pictures_are_looked_at_as_a_whole() -> None:
    """A one-pixel checkerboard is seen as grey from where a picture of 1024 px is seen whole."""
    down, across = np.mgrid[0:1024, 0:1024]
    board = ((across + down) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    other = np.roll(board, 1, axis=1)
    assert ssim(board, other) > 0.99
    assert ssim(board[:256, :256], other[:256, :256]) < 0


def test_pictures_of_two_sizes_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="32x32 px and 64x64"):
        ssim(drawn(0), drawn(0, side_px=64))


def test_psnr_of_a_known_error() -> None:
    zeros = np.zeros((8, 8, 3), dtype=np.uint8)
    tens = np.full((8, 8, 3), 10, dtype=np.uint8)
    assert psnr_db(zeros, tens) == pytest.approx(20 * math.log10(25.5))
