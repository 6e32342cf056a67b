import numpy as np
import pytest
from numpy.typing import NDArray

from paceline.trial.images.png import Pixels
from paceline.trial.images.shapes import COLOURS, look, shows

Mask = NDArray[np.bool_]
GROUND = (245, 245, 245)


def picture(mask: Mask, colour: tuple[int, int, int], ground: object = GROUND) -> Pixels:
    pixels = np.empty((*mask.shape, 3), dtype=np.uint8)
    pixels[:] = ground
    pixels[mask] = colour
    return pixels


def grid(side: int = 64) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[:side, :side]
    return x - 30.0, y - 36.0


def masks() -> dict[str, Mask]:
    x, y = grid()
    return {
        "circle": x**2 + y**2 < 15**2,
        "square": (abs(x) < 13) & (abs(y) < 13),
        "diamond": abs(x) / 11 + abs(y) / 15 < 1,
        "triangle": (y > -14) & (y < 12) & (abs(x) < (y + 14) / 2),
        "cross": ((abs(x) < 5) & (abs(y) < 15)) | ((abs(y) < 5) & (abs(x) < 15)),
    }


@pytest.mark.parametrize("shape", list(masks()))
@pytest.mark.parametrize("colour", [name for name in COLOURS if name not in ("white", "grey")])
def test_sees_each_shape_in_each_colour(shape: str, colour: str) -> None:
    pixels = picture(masks()[shape], COLOURS[colour])
    assert shows(pixels, f"{colour} {shape}")
    sight = look(pixels)
    assert sight is not None
    assert sight.overlap > 0.85


def test_a_shape_of_another_colour_or_form_is_not_what_was_asked_for() -> None:
    pixels = picture(masks()["circle"], COLOURS["red"])
    assert not shows(pixels, "blue circle")
    assert not shows(pixels, "red square")
    assert not shows(pixels, "red")
    assert not shows(pixels, "a red circle")


def test_a_shade_of_the_colour_counts() -> None:
    assert shows(picture(masks()["square"], (190, 70, 60)), "red square")


def test_a_dark_ground_is_a_ground_too() -> None:
    assert shows(picture(masks()["cross"], COLOURS["yellow"], (10, 10, 40)), "yellow cross")


def test_a_stray_pixel_does_not_hide_a_shape() -> None:
    mask = masks()["square"].copy()
    mask[2, 61] = True
    assert shows(picture(mask, COLOURS["red"]), "red square")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_shows_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert look(noise) is None


def test_a_plain_ground_shows_nothing() -> None:
    assert look(picture(np.zeros((64, 64), dtype=bool), COLOURS["red"])) is None


def test_a_bar_is_no_square() -> None:
    x, y = grid()
    assert look(picture((abs(x) < 4) & (abs(y) < 20), COLOURS["red"])) is None


def test_a_speck_is_no_figure() -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[30:34, 30:34] = True
    assert look(picture(mask, COLOURS["red"])) is None
