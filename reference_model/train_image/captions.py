"""Captions and the scenes they leave open: what a caption does not say is up to chance."""

import random
from typing import Final

from train_image.shapes import COLOURS, SHAPES, SIDE_PX, Scene

RADII_PX: Final = {"small": (9.0, 11.0), "": (14.0, 17.0), "large": (20.0, 23.0)}
PLACES: Final = {
    "": (0, 0),
    "on the left": (-1, 0),
    "on the right": (1, 0),
    "at the top": (0, -1),
    "at the bottom": (0, 1),
}
OPENINGS: Final = ("a ", "a ", "a ", "", "a picture of a ", "one ", "draw a ")
_OFF_CENTRE_PX: Final = 14
_JITTER_PX: Final = 3.0
_SIZED: Final = 0.25
_PLACED: Final = 0.25


def caption(
    colour: str, shape: str, *, size: str = "", place: str = "", opening: str = "a "
) -> str:
    """`a small red circle on the left`."""
    words = f"{size} {colour} {shape} {place}".split()
    return opening + " ".join(words)


def scene(rng: random.Random, colour: str, shape: str, *, size: str = "", place: str = "") -> Scene:
    """One of the pictures that the caption of these words may mean."""
    right, down = PLACES[place]
    middle = SIDE_PX / 2
    return Scene(
        colour=colour,
        shape=shape,
        x_px=middle + right * _OFF_CENTRE_PX + rng.uniform(-_JITTER_PX, _JITTER_PX),
        y_px=middle + down * _OFF_CENTRE_PX + rng.uniform(-_JITTER_PX, _JITTER_PX),
        radius_px=rng.uniform(*RADII_PX[size]),
    )


def example(rng: random.Random) -> tuple[str, Scene]:
    """A caption and a picture that fits it. Large shapes stand in the middle."""
    colour, shape = rng.choice(list(COLOURS)), rng.choice(list(SHAPES))
    draw = rng.random()
    size = rng.choice(["small", "large"]) if draw < _SIZED else ""
    place = rng.choice([name for name in PLACES if name]) if draw > 1 - _PLACED else ""
    words = {"size": size, "place": place}
    text = caption(colour, shape, opening=rng.choice(OPENINGS), **words)
    return text, scene(rng, colour, shape, **words)
