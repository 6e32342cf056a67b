"""Named workloads: typical shapes to start from, as data.

These are our assumptions about six kinds of traffic, rounded so that they can be remembered; no
two deployments look alike, and a trace of one's own (`--trace`) is always better. Lengths are
tokens; log-normal because lengths of prompts and answers have long right tails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.load_plan import LengthKind, Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The part of a `LoadShape` that a kind of traffic fixes."""

    name: str
    meaning: str
    input_tokens: Lengths
    output_tokens: Lengths
    prefix_tokens: int = 0
    prefix_groups: int = 1


def _long_tailed(mean: float, deviation: float, low: int, high: int) -> Lengths:
    return Lengths(kind=LengthKind.LOGNORMAL, mean=mean, deviation=deviation, low=low, high=high)


_ALL: Final = (
    Preset(
        name="chat",
        meaning="conversation with a person; the history is part of the prompt",
        input_tokens=_long_tailed(512, 400, 144, 4096),
        output_tokens=_long_tailed(256, 200, 8, 2048),
        prefix_tokens=128,
    ),
    Preset(
        name="rag",
        meaning="one question with retrieved passages",
        input_tokens=_long_tailed(3072, 1500, 512, 12288),
        output_tokens=_long_tailed(256, 150, 8, 1024),
        prefix_tokens=256,
    ),
    Preset(
        name="code",
        meaning="writing code with a part of the repository in the prompt",
        input_tokens=_long_tailed(2048, 1500, 320, 8192),
        output_tokens=_long_tailed(512, 500, 8, 4096),
        prefix_tokens=256,
        prefix_groups=16,
    ),
    Preset(
        name="agent",
        meaning="steps of an agent: one long prompt that all share, then what tools said",
        input_tokens=_long_tailed(4096, 2000, 2112, 16384),
        output_tokens=_long_tailed(256, 250, 16, 2048),
        prefix_tokens=2048,
    ),
    Preset(
        name="batch",
        meaning="offline work: independent requests, only throughput counts",
        input_tokens=_long_tailed(1024, 700, 64, 8192),
        output_tokens=_long_tailed(256, 200, 16, 2048),
    ),
    Preset(
        name="summarize",
        meaning="long documents, short answers",
        input_tokens=_long_tailed(4096, 2500, 512, 16384),
        output_tokens=_long_tailed(256, 100, 32, 1024),
    ),
)
PRESETS: Final[Mapping[str, Preset]] = {preset.name: preset for preset in _ALL}


def preset_named(name: str) -> Preset:
    """A preset. Raises SpecError that lists the names."""
    if name not in PRESETS:
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"{name!r} is no workload",
            why=f"the workloads are {', '.join(PRESETS)}",
            fix="name one of them, or give lengths with --input-tokens and --output-tokens",
        )
    return PRESETS[name]
