"""What each format means to llmcompressor: data, no code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

GROUP: Final = 128
"""Weights that share a scale in the integer formats; the presets of compressed-tensors 0.19."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to quantize all linear layers but the output head and the routers of experts.

    `scheme` is a preset of compressed-tensors. `group_size` is `None` where a scale covers a whole
    row, which any width divides. Without `calibrated`, weights alone decide.
    """

    algorithm: str
    scheme: str
    group_size: int | None
    calibrated: bool


RECIPES: Final[Mapping[str, Recipe]] = {
    "w8a8": Recipe(algorithm="gptq", scheme="W8A8", group_size=None, calibrated=True),
    "fp8": Recipe(algorithm="rtn", scheme="FP8_DYNAMIC", group_size=None, calibrated=False),
    "fp8-static": Recipe(algorithm="rtn", scheme="FP8", group_size=None, calibrated=True),
    "gptq-4": Recipe(algorithm="gptq", scheme="W4A16", group_size=GROUP, calibrated=True),
    "awq-4": Recipe(algorithm="awq", scheme="W4A16_ASYM", group_size=GROUP, calibrated=True),
    "gptq-8": Recipe(algorithm="gptq", scheme="W8A16", group_size=GROUP, calibrated=True),
    "gptq-3": Recipe(algorithm="gptq", scheme="W3A16", group_size=GROUP, calibrated=True),
}
"""Format, as in `--format`, to how it is made."""

IGNORED: Final = ("lm_head", "re:.*mlp[.]gate$", "re:.*block_sparse_moe[.]gate$", "re:.*router$")
"""Modules that stay as they are: too few weights to matter, and answers depend on each of them."""
