"""Workload presets and their overrides: `chat,concurrency=16,input=512` → Workload.

The lengths here are means; the presets of the load generator with their distributions are in
`docs/concepts/load.md`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.image import ImageLoad
from paceline.records.load_plan import Arrivals
from paceline.records.request import Workload
from paceline.spec.image_loads import IMAGE_KEYS, image_load
from paceline.spec.names import unknown_name
from paceline.units import Seconds, parse_duration_s

REFERENCE: Final = "reference"
DEFAULT: Final = "chat"
IMAGE: Final = "image"
REFERENCE_IMAGE: Final = "reference-image"
_RATED: Final = (Arrivals.POISSON.value, Arrivals.CONSTANT.value)


def _preset(
    name: str, *, concurrency: int, tokens: tuple[int, int], prefix: int = 0, window_s: float = 30.0
) -> Workload:
    return Workload(
        name=name,
        concurrency=concurrency,
        rate_rps=None,
        arrivals=Arrivals.CLOSED.value,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        shared_prefix_tokens=prefix,
        duration_s=Seconds(window_s),
        max_requests=None,
    )


def _images(name: str, *, concurrency: int, side_px: int, window_s: float) -> Workload:
    preset = _preset(name, concurrency=concurrency, tokens=(0, 0), window_s=window_s)
    return replace(preset, image=ImageLoad(width_px=side_px, height_px=side_px))


PRESETS: Final[Mapping[str, Workload]] = {
    preset.name: preset
    for preset in (
        _preset("chat", concurrency=8, tokens=(512, 256), prefix=128),
        _preset("rag", concurrency=8, tokens=(3072, 256), prefix=256),
        _preset("code", concurrency=8, tokens=(2048, 512), prefix=256),
        _preset("agent", concurrency=8, tokens=(4096, 256), prefix=2048),
        _preset("batch", concurrency=32, tokens=(1024, 256)),
        _preset("summarize", concurrency=8, tokens=(4096, 256)),
        # Sized for a model of a few million parameters on two cores.
        _preset(REFERENCE, concurrency=8, tokens=(128, 64), window_s=12.0),
        _images(IMAGE, concurrency=1, side_px=1024, window_s=60.0),
        _images(REFERENCE_IMAGE, concurrency=2, side_px=64, window_s=12.0),
    )
}

_LEAST: Final = {"concurrency": 1, "input": 1, "output": 1, "prefix": 0, "requests": 1}
"""Overrides that are whole numbers, with the least that each can be."""

_MOST: Final = {"concurrency": 16_384}
"""Linux gives one address 28,232 ports for its own connections (net.ipv4.ip_local_port_range)."""

_TOKEN_KEYS: Final = ("input", "output", "prefix")
KEYS: Final = (*_LEAST, *IMAGE_KEYS, "rate", "arrivals", "duration")


def parse_workload(text: str, *, usual: str = DEFAULT) -> Workload:
    """A preset name with overrides after commas, or overrides alone on the preset `usual`.

    Raises SpecError: `unknown-name` for a preset or key, `bad-option` for a value.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise unknown_name("workload", text, PRESETS)
    name = usual if "=" in parts[0] else parts.pop(0)
    given: dict[str, str] = {}
    for part in parts:
        key, _, value = (side.strip() for side in part.partition("="))
        if key in given:
            raise _bad(key, value, f"it was given before as {given[key]!r}")
        given[key] = value
    return workload_of(name, given)


def workload_of(name: str, overrides: Mapping[str, str]) -> Workload:
    """The preset `name` with `overrides`, which are keyed as in `KEYS`."""
    preset = PRESETS.get(name)
    if preset is None:
        raise unknown_name("workload", name, PRESETS)
    others = _TOKEN_KEYS if preset.image is not None else IMAGE_KEYS
    known = [key for key in KEYS if key not in others]
    for key in overrides:
        if key in others:
            raise _of_other_kind(key, preset)
        if key not in known:
            raise unknown_name("workload key", key, known)
    counts = {key: _count(key, overrides[key]) for key in _LEAST if key in overrides}
    workload = replace(
        preset,
        concurrency=counts.get("concurrency", preset.concurrency),
        input_tokens=counts.get("input", preset.input_tokens),
        output_tokens=counts.get("output", preset.output_tokens),
        shared_prefix_tokens=counts.get("prefix", preset.shared_prefix_tokens),
        max_requests=counts.get("requests", preset.max_requests),
        image=None if preset.image is None else image_load(preset.image, overrides),
    )
    if "duration" in overrides:
        workload = replace(workload, duration_s=_duration(overrides["duration"]))
    if workload.shared_prefix_tokens > workload.input_tokens:
        raise _bad(
            "prefix",
            str(workload.shared_prefix_tokens),
            f"the shared prefix is part of the input, which is {workload.input_tokens} tokens; a"
            " load without one has prefix=0",
        )
    return _with_arrivals(workload, overrides)


def _with_arrivals(workload: Workload, overrides: Mapping[str, str]) -> Workload:
    arrivals = overrides.get("arrivals")
    if "rate" not in overrides:
        if arrivals in (None, Arrivals.CLOSED.value):
            return workload
        raise _bad("arrivals", str(arrivals), "arrivals in open loop need rate=REQUESTS_PER_S")
    if "concurrency" in overrides:
        raise _bad("rate", overrides["rate"], "a load has a concurrency or a rate, not both")
    if arrivals is not None and arrivals not in _RATED:
        raise unknown_name("arrivals", arrivals, _RATED)
    rate_rps = _number("rate", overrides["rate"])
    if not (math.isfinite(rate_rps) and rate_rps > 0):
        raise _bad("rate", overrides["rate"], "requests per second must be above 0")
    return replace(workload, rate_rps=rate_rps, arrivals=arrivals or _RATED[0])


def _count(key: str, value: str) -> int:
    least, most = _LEAST[key], _MOST.get(key, math.inf)
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise _bad(key, value, f"it is a whole number of at least {least}")
    if int(value) > most:
        raise _bad(key, value, f"one client address holds at most {most:,} connections")
    return int(value)


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _bad(key, value, "it is a number") from None


def _duration(value: str) -> Seconds:
    seconds = parse_duration_s(value)
    if seconds is None or seconds <= 0:
        raise _bad("duration", value, "it is a time above 0 with its unit, like 30s")
    return seconds


def _of_other_kind(key: str, preset: Workload) -> SpecError:
    images = preset.image is not None
    return SpecError(
        Code.BAD_OPTION,
        f"the workload {preset.name!r} has no {key!r}",
        why=f"it asks for {'pictures' if images else 'text'},"
        f" and {key!r} is about {'tokens' if images else 'pictures'}",
        fix=f"{', '.join(IMAGE_KEYS)} belong to `{IMAGE}`, {', '.join(_TOKEN_KEYS)} to `{DEFAULT}`"
        " and others",
    )


def _bad(key: str, value: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"the workload cannot have {key}={value}",
        why=why,
        fix="write for example `chat,concurrency=16,input=512,output=128,duration=30s`",
    )
