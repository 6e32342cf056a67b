"""Every field of a request: its JSON Schema, its bound in words, and the check. One table for both
the answers to bad requests and the OpenAPI document, so that they cannot disagree. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paceline.runtimes.image_server.family import (
    LEAST_SIDE_PX,
    MODES,
    MOST_GUIDANCE,
    MOST_IMAGES,
    MOST_NEGATIVE_CHARACTERS,
    MOST_PROMPT_CHARACTERS,
    MOST_SEED,
    Family,
)
from paceline.runtimes.image_server.problems import out_of_bounds

_SIZE: Final = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `accepts` judges a value that is not null; `bound` follows "it must be"."""

    name: str
    schema: Mapping[str, Any]
    bound: str
    accepts: Callable[[Any], bool]
    required: bool = False

    def read(self, value: Any) -> Any:
        """The value, `None` for null; raises Problem 422."""
        if value is None and not self.required:
            return None
        if not self.accepts(value):
            raise out_of_bounds(self.name, value, self.bound)
        return value

    def json_schema(self) -> dict[str, Any]:
        """Its schema; every optional field may also be null, as OpenAI's are."""
        if self.required:
            return dict(self.schema)
        return {"anyOf": [dict(self.schema), {"type": "null"}]}


def fields_of(family: Family, model_name: str) -> tuple[Field, ...]:
    """What a request to a model of this family may hold."""
    negative = MOST_NEGATIVE_CHARACTERS if family.negative_prompt else 0
    return (
        _text("prompt", least=1, most=MOST_PROMPT_CHARACTERS, required=True),
        Field(
            name="model",
            schema={"type": "string", "enum": [model_name]},
            bound=f"{model_name!r}, the only model here",
            accepts=lambda value: isinstance(value, str),  # another's name is a 404, not a 422
        ),
        _whole("n", 1, MOST_IMAGES),
        _size(family),
        _choice("response_format", ("b64_json", "url")),
        _choice("mode", MODES),
        _whole("num_inference_steps", 1, family.most_steps, why=_why_ceiling(family)),
        _number("guidance_scale", 0.0, MOST_GUIDANCE),
        _choice("scheduler", family.schedulers, why=f" (those of {family.name})"),
        _whole("seed", 0, MOST_SEED),
        _text(
            "negative_prompt",
            least=0,
            most=negative,
            why="" if negative else f": {family.name} takes none",
        ),
        _flag("metadata"),
        _flag("latents"),
        *_openai_fields(),
    )


def _openai_fields() -> tuple[Field, ...]:
    """Fields of OpenAI's API that ask for what this server does anyway, or that say who asks."""
    return (
        _text("user", least=0, most=512),
        _choice("quality", ("auto", "standard"), why=": what to choose between is `mode`"),
        _choice("background", ("auto", "opaque")),
        _choice("moderation", ("auto", "low")),
        _choice("output_format", ("png",)),
        _whole("output_compression", 100, 100, why=" (PNG loses nothing)"),
        _choice("stream", (False,)),
        _whole("partial_images", 0, 0),
    )


def is_whole(value: Any) -> bool:
    """Whether JSON calls it an integer: 4 and 4.0, but not true."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def sides_of(size: str) -> tuple[int, int] | None:
    """Width and height in pixels of `WxH`; `None` for other texts."""
    found = _SIZE.fullmatch(size)
    return (int(found[1]), int(found[2])) if found else None


def _whole(name: str, low: int, high: int, *, why: str = "") -> Field:
    return Field(
        name=name,
        schema={"type": "integer", "minimum": low, "maximum": high},
        bound=(f"{low}" if low == high else f"a whole number from {low} to {high}") + why,
        accepts=lambda value: is_whole(value) and low <= value <= high,
    )


def _number(name: str, low: float, high: float) -> Field:
    return Field(
        name=name,
        schema={"type": "number", "minimum": low, "maximum": high},
        bound=f"a number from {low:g} to {high:g}",
        accepts=lambda value: (
            isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def _text(name: str, *, least: int, most: int, why: str = "", required: bool = False) -> Field:
    return Field(
        name=name,
        # Half a surrogate pair is no character, though JSON can write it.
        schema={"type": "string", "minLength": least, "maxLength": most},
        bound=f"a Unicode text of {least} to {most} characters{why}",
        accepts=lambda value: (
            isinstance(value, str) and least <= len(value) <= most and _is_unicode(value)
        ),
        required=required,
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _choice(name: str, options: Sequence[Any], *, why: str = "") -> Field:
    shown = ", ".join(str(option).lower() for option in options)
    return Field(
        name=name,
        schema={"enum": list(options)},
        bound=(shown if len(options) == 1 else f"one of {shown}") + why,
        # 0 equals False, but is another JSON value
        accepts=lambda value: any(
            type(value) is type(option) and value == option for option in options
        ),
    )


def _flag(name: str) -> Field:
    return Field(
        name=name,
        schema={"type": "boolean"},
        bound="true or false",
        accepts=lambda value: isinstance(value, bool),
    )


def _size(family: Family) -> Field:
    sides = family.sides_px()
    each = "|".join(str(side) for side in sides)
    step = family.side_multiple_px

    def accepts(value: Any) -> bool:
        if value == "auto":
            return True
        wanted = sides_of(value) if isinstance(value, str) else None
        return wanted is not None and all(side in sides for side in wanted)

    return Field(
        name="size",
        schema={"type": "string", "pattern": f"^(auto|({each})x({each}))$"},
        bound=f"'auto' or WIDTHxHEIGHT, each side from {LEAST_SIDE_PX} to {family.most_side_px} px "
        f"and a multiple of {step}",
        accepts=accepts,
    )


def _why_ceiling(family: Family) -> str:
    return f" ({family.name} is distilled to few steps)" if family.distilled else ""
