"""The samplers by their names in requests, as Diffusers' classes."""

from __future__ import annotations

from typing import Any, Final

import diffusers

_CLASSES: Final = {
    "flow-match-euler": "FlowMatchEulerDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "euler": "EulerDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "ddim": "DDIMScheduler",
}
# Models distilled to few steps were trained to end at the last time step; the usual spacing stops
# short of it (model cards of SDXL-Turbo and SDXL-Lightning: `timestep_spacing="trailing"`).
_DISTILLED: Final = {"timestep_spacing": "trailing"}


def build(name: str, shipped: Any, *, distilled: bool) -> Any:
    """A scheduler of its own kind with the settings of the one that the model ships.

    Raises ValueError for a name without a class.
    """
    if name not in _CLASSES:
        raise ValueError(f"no scheduler is called {name!r}; known: {', '.join(_CLASSES)}")
    kind = getattr(diffusers, _CLASSES[name])
    if isinstance(shipped, kind):
        return kind.from_config(shipped.config)
    return kind.from_config(shipped.config, **(_DISTILLED if distilled else {}))


def steps_run(scheduler: Any, calls: int) -> int:
    """Steps by the number of times the denoiser was stepped: second order takes two for one."""
    order = int(getattr(scheduler, "order", 1))
    return -(-calls // order)
