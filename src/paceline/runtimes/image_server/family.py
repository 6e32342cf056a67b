"""A family's row as the command line brings it: what requests may ask for, and what if they do not.

The server knows no model by name. Limits that hold for every family are here too. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

MOST_STEPS: Final = 50
MOST_GUIDANCE: Final = 20.0
MOST_IMAGES: Final = 4
LEAST_SIDE_PX: Final = 64
MOST_SIDE_PX: Final = 2048
MOST_NEGATIVE_CHARACTERS: Final = 2_000
MOST_PROMPT_CHARACTERS: Final = 32_000
"""As OpenAI's API has it; what the text encoder cannot read is cut off by its tokenizer."""
MOST_SEED: Final = 2**31 - 1
MODES: Final = ("realtime", "quality")

_MORE_FOR_QUALITY: Final = 4
_LESS_FOR_REALTIME: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models that are asked in the same way. `most_steps` is below `MOST_STEPS` for distilled ones.

    `most_side_px` is the largest side that this server takes.
    """

    name: str
    pipeline: str
    mode: str
    steps: int
    guidance: float
    scheduler: str
    schedulers: tuple[str, ...]
    most_steps: int
    negative_prompt: bool
    side_multiple_px: int
    side_px: int
    most_side_px: int = MOST_SIDE_PX
    text_tokens: int | None = None
    """Tokens that the text encoder may read; `None` leaves it to the pipeline."""

    @property
    def distilled(self) -> bool:
        """Trained for few steps: its ceiling is below everybody's."""
        return self.most_steps < MOST_STEPS

    def steps_of(self, mode: str | None) -> int:
        """Steps where a request names a mode and no steps.

        The family's own mode has its own steps. A model made for speed takes up to four times as
        many for quality, as far as its ceiling goes; one made for quality half for speed.
        """
        if mode is None or mode == self.mode:
            return self.steps
        if mode == "quality":
            return min(self.steps * _MORE_FOR_QUALITY, self.most_steps)
        return max(1, self.steps // _LESS_FOR_REALTIME)

    def sides_px(self) -> range:
        """Every width and height it takes."""
        step = self.side_multiple_px
        first = -(-LEAST_SIDE_PX // step) * step
        return range(first, self.most_side_px + 1, step)


def read_family(text: str, *, most_side_px: int = MOST_SIDE_PX) -> Family:
    """From the JSON of a row; raises ValueError naming what is missing or of no use."""
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("the family must be a JSON object")  # noqa: TRY004 - a text, not a type
    try:
        family = _family(fields, most_side_px)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"the family lacks or misspells a field: {error}") from error
    if family.scheduler not in family.schedulers:
        raise ValueError(f"its scheduler {family.scheduler!r} is none of its {family.schedulers}")
    if not family.sides_px():
        raise ValueError(f"no side up to {most_side_px} px is a multiple of its step")
    return family


def _family(fields: dict[str, Any], most_side_px: int) -> Family:
    step = int(fields["side_multiple_px"])
    most_side_px = min(most_side_px, MOST_SIDE_PX)
    tokens = fields.get("text_tokens")
    return Family(
        name=str(fields["name"]),
        pipeline=str(fields["pipeline"]),
        mode=str(fields["mode"]),
        steps=int(fields["steps"]),
        guidance=float(fields["guidance"]),
        scheduler=str(fields["scheduler"]),
        schedulers=tuple(str(name) for name in fields["schedulers"]),
        most_steps=int(fields["most_steps"]),
        negative_prompt=bool(fields["negative_prompt"]),
        side_multiple_px=step,
        # What a request without a size gets must not be larger than one may ask for.
        side_px=min(int(fields["side_px"]), most_side_px // step * step),
        most_side_px=most_side_px,
        text_tokens=None if tokens is None else int(tokens),
    )
