"""Latents: what is one, and how much one is like another."""

import io
import math

import numpy as np
import numpy.typing as npt
import pytest

from paceline.trial.images.latents import Unlike, latent_psnr_db, latent_ssim, read_latents

CHANCE = np.random.default_rng(3)
PLANES = CHANCE.normal(size=(4, 8, 6)).astype(np.float16)


def npy(values: npt.NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def test_planes_and_packed_positions_are_the_same_latents() -> None:
    planes = read_latents(npy(PLANES))
    packed = read_latents(npy(PLANES.reshape(4, -1).T))
    assert planes.shape == (4, 48)
    assert np.array_equal(planes, packed)


def test_equal_latents_are_wholly_alike() -> None:
    latents = read_latents(npy(PLANES))
    assert latent_ssim(latents, latents) == pytest.approx(1)
    assert latent_psnr_db(latents, latents) is None


def test_likeness_falls_with_noise_and_is_negative_for_the_opposite() -> None:
    latents = read_latents(npy(PLANES))
    noise = CHANCE.normal(size=latents.shape)
    seen = [latent_ssim(latents + share * noise, latents) for share in (0.05, 0.3, 1.0)]
    assert 1 > seen[0] > seen[1] > seen[2] > 0
    assert latent_ssim(-latents, latents) < 0


def test_the_noise_ratio_is_that_of_the_definition() -> None:
    latents = read_latents(npy(PLANES))
    assert latent_psnr_db(latents + 0.1, latents) == pytest.approx(
        20 * math.log10(float(np.ptp(latents)) / 0.1)
    )


def test_a_lost_channel_is_seen() -> None:
    latents = read_latents(npy(PLANES))
    lost = latents.copy()
    lost[0] = 0
    assert latent_ssim(lost, latents) < 0.8


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no file", "no NPY file"),
        (npy(PLANES)[:90], "no NPY file"),
        (npy(np.array([object()])), "no NPY file"),
        (npy(np.zeros((4, 2, 2), dtype=np.int8)), "no array of floats"),
        (npy(np.zeros(7, dtype=np.float16)), r"the shape \(7,\)"),
        (npy(np.full((4, 2, 2), 0.5)), "all 16 values of the latents are 0.5"),
        (npy(np.where(PLANES > 1, np.nan, PLANES)), "of 192 values of the latents are no number"),
        (npy(np.where(PLANES > 2, np.inf, PLANES)), "of 192 values of the latents are no number"),
    ],
)
def test_what_is_no_latents_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(Unlike, match=words):
        read_latents(data)


def test_different_shapes_cannot_be_compared() -> None:
    one, other = read_latents(npy(PLANES)), read_latents(npy(PLANES[:, :4]))
    with pytest.raises(Unlike, match="4 channels of 48 values, the baseline's 4 of 24"):
        latent_ssim(one, other)
