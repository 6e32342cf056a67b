"""What an image load asks for: `size=1024x768,steps=4,guidance=0,scheduler=euler`.

Bounds that hold for every model; what one family can do is checked when the model is known
(`spec.images`).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.image import MOST_GUIDANCE, MOST_STEPS, SIDE_PX, ImageLoad, Sampler
from paceline.spec.names import unknown_name

IMAGE_KEYS: Final = ("size", "steps", "guidance", "scheduler")
_SIZE: Final = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})", re.IGNORECASE | re.ASCII)


def image_load(preset: ImageLoad, overrides: Mapping[str, str]) -> ImageLoad:
    """`preset` with those of `overrides` that are about pictures. Raises SpecError."""
    load = preset
    if "size" in overrides:
        width_px, height_px = _size(overrides["size"])
        load = replace(load, width_px=width_px, height_px=height_px)
    if "steps" in overrides:
        load = replace(load, steps=_steps(overrides["steps"]))
    if "guidance" in overrides:
        load = replace(load, guidance=_guidance(overrides["guidance"]))
    if "scheduler" in overrides:
        load = replace(load, scheduler=_sampler(overrides["scheduler"]))
    return load


def _size(value: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise _bad("size", value, "a size is WIDTHxHEIGHT in pixels, like 1024x768")
    least, most = SIDE_PX
    for side in match.groups():
        if not least <= int(side) <= most:
            raise _bad("size", value, f"a side is {least} to {most} pixels, not {side}")
    return int(match[1]), int(match[2])


def _steps(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_STEPS):
        raise _bad("steps", value, f"it is a whole number of 1 to {MOST_STEPS}")
    return int(value)


def _guidance(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MOST_GUIDANCE:
        raise _bad("guidance", value, f"it is a number of 0 to {MOST_GUIDANCE:g}")
    return number


def _sampler(value: str) -> Sampler:
    names = [sampler.value for sampler in Sampler]
    if value.lower() not in names:
        raise unknown_name("scheduler", value, names)
    return Sampler(value.lower())


def _bad(key: str, value: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"the workload cannot have {key}={value}",
        why=why,
        fix="write for example `image,size=1024x1024,steps=4`",
    )
