"""Whether a request is about this machine or about anything that can be rented."""

from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.plan.survey.choose import is_known_hardware
from paceline.records.request import Request

HERE: Final = "here"
WEIGHTS: Final = ("*.safetensors", "*.bin", "*.gguf", "*.pt", "*/*.safetensors")
"""Components of an image model have theirs in folders of their own."""


def plans_here(request: Request, shop: Workshop) -> Request | None:
    """The request for this machine, or `None` when it is about the tables.

    Asked for by `--hardware here` or the name of an accelerator of this machine; without
    `--hardware` it is this machine exactly when MODEL has its weights here. Raises SpecError for
    `here` beside something else, and for a name that is neither here nor in the tables.
    """
    names = request.hardware
    if not names:
        return request if has_weights(request.model) else None
    if HERE in names:
        if len(names) > 1:
            raise SpecError(
                Code.CONTRADICTION,
                "--hardware here stands alone",
                why=f"{' '.join(names)} asks for this machine and for others at once",
                fix="--hardware here, or leave `here` out",
            )
        return replace(request, hardware=())
    if all(is_known_hardware(name) for name in names):
        return None
    local = {place.name for place in shop.executor.inventory()}
    return request if local & set(names) else None


def has_weights(model: str) -> bool:
    """Whether MODEL is more than a config: a folder with weights, or an installed model."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return any(next(folder.glob(pattern), None) for pattern in WEIGHTS)
    return model in {point.name for point in entry_points(group="paceline.models")}
