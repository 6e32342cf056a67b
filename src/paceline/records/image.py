"""Image generation: families of models as data, what a load asks for, what a runtime has inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_STEPS: Final = 50
MOST_GUIDANCE: Final = 20.0
MOST_IMAGES: Final = 4
SIDE_PX: Final = (64, 2048)
MOST_NEGATIVE_CHARACTERS: Final = 2_000
MOST_SEED: Final = 2**31 - 1


class Mode(StrEnum):
    """What a user wants who does not know what steps are."""

    REALTIME = "realtime"
    QUALITY = "quality"


class Sampler(StrEnum):
    """The `scheduler` of a request."""

    FLOW_MATCH_EULER = "flow-match-euler"
    DPM = "dpm++"
    EULER_A = "euler-a"
    EULER = "euler"
    HEUN = "heun"
    DDIM = "ddim"


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """Under which terms weights may be used. `banner` is shown wherever the model is chosen.

    `commercial` is false where commercial use needs another agreement: then the user must accept
    the licence by hand.
    """

    name: str
    commercial: bool
    banner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFamily:
    """Models that are asked in the same way.

    `steps`, `guidance` and `scheduler` are product choices, not settings worth sweeping.
    `most_steps` is the ceiling of a distilled model, `MOST_STEPS` elsewhere. Sides in pixels are
    multiples of `side_multiple_px`: the decoder's factor × the patch of the denoiser.
    """

    name: str
    title: str
    repository: str | None
    pipeline: str
    license: License
    mode: Mode
    steps: int
    guidance: float
    scheduler: Sampler
    schedulers: tuple[Sampler, ...]
    most_steps: int = MOST_STEPS
    negative_prompt: bool
    side_multiple_px: int
    side_px: int
    """Width and height where a request names none."""
    most_side_px: int = SIDE_PX[1]
    """What its position embedding reaches, where that is less than any request may ask."""
    text_tokens: int | None = None
    """What it was made to read, where its pipeline would read more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLoad:
    """What every request of an image load asks for; `None` is the family's own choice."""

    width_px: int
    height_px: int
    steps: int | None = None
    guidance: float | None = None
    scheduler: Sampler | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a runtime found inside itself after it served: inspected modules, not flags.

    `weights` is the denoiser's parameter type (`bfloat16`); `quantized` counts modules of it by
    what they became (`{"int8 dynamic": 57}`), of `linears` in all. `compiled_calls` counts calls
    that ran a compiled graph of the denoiser, `eager_calls` those that did not. `scheduler` is the
    class that ran, `steps` and `guidance` what the last request really used. `phases_s` are the
    parts of the start in seconds: `import`, `load`, `quantize`, `compile`, `warmup`.
    `compile_cache` tells whether compiled code came from the cache (`hit`), was made (`miss`), or
    nothing was compiled (`none`).
    """

    family: str
    pipeline: str
    weights: str
    linears: int
    quantized: Mapping[str, int]
    compiled_calls: int
    eager_calls: int
    offloaded: bool
    scheduler: str
    steps: int
    guidance: float
    compile_cache: str
    phases_s: Mapping[str, float]
