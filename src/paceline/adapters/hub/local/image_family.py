"""Which image family a pipeline belongs to: how it is asked follows from there.

A model of a known family works by its folder: the class of the pipeline, and where one class has
several families, what their training left in the configs.
"""

from collections.abc import Callable, Mapping
from typing import Final

from paceline.adapters.hub.local.lookup import PIPELINE_INDEX
from paceline.adapters.hub.local.pipeline import FAMILY_KEY, SCHEDULER, Pipeline
from paceline.errors import Code, SpecError
from paceline.records.image import ImageFamily
from paceline.records.image_families import IMAGE_FAMILIES


def family_of(pipeline: Pipeline) -> ImageFamily:
    """The family that the folder states or shows. Raises SpecError when none is known."""
    if pipeline.stated_family is not None:
        return _stated(pipeline, pipeline.stated_family)
    tell = _TELLS.get(pipeline.class_name)
    if tell is None:
        raise SpecError(
            Code.UNSUPPORTED,
            f"no image family is known for the {pipeline.class_name!r} in {str(pipeline.folder)!r}",
            why=f"known pipelines: {', '.join(sorted(_TELLS))}",
            fix=f"if it is asked like a known family, name that as {FAMILY_KEY!r}"
            f" in {PIPELINE_INDEX}: {', '.join(IMAGE_FAMILIES)}",
        )
    return IMAGE_FAMILIES[tell(pipeline)]


def _stated(pipeline: Pipeline, name: str) -> ImageFamily:
    family = IMAGE_FAMILIES.get(name)
    if family is None:
        raise SpecError(
            Code.BAD_MODEL,
            f"{PIPELINE_INDEX} in {str(pipeline.folder)!r} names the unknown family {name!r}",
            why=f"known families: {', '.join(IMAGE_FAMILIES)}",
            fix=f"name one of them as {FAMILY_KEY!r}, or remove the key",
        )
    if family.pipeline != pipeline.class_name:
        raise SpecError(
            Code.BAD_MODEL,
            f"{PIPELINE_INDEX} in {str(pipeline.folder)!r} contradicts itself",
            why=f"family {name!r} is a {family.pipeline}, the class is {pipeline.class_name}",
            fix=f"correct {FAMILY_KEY!r}, or remove it",
        )
    return family


def _flux(pipeline: Pipeline) -> str:
    """Only the model that was distilled *with* guidance reads it as an input."""
    guided = pipeline.config("transformer").get("guidance_embeds")
    return "flux-dev" if guided is True else "flux-schnell"


def _sd3(_pipeline: Pipeline) -> str:
    return "sd3.5-large"


def _sdxl(pipeline: Pipeline) -> str:
    """The distilled ones ship with the scheduler of their training: trailing time steps."""
    scheduler = pipeline.config(SCHEDULER)
    if scheduler.get("timestep_spacing") != "trailing":
        return "sdxl"
    match scheduler.get("_class_name"):
        case "EulerAncestralDiscreteScheduler":
            return "sdxl-turbo"
        case "EulerDiscreteScheduler":
            return "sdxl-lightning"
        case _:
            return "sdxl"


_TELLS: Final[Mapping[str, Callable[[Pipeline], str]]] = {
    "FluxPipeline": _flux,
    "StableDiffusion3Pipeline": _sd3,
    "StableDiffusionXLPipeline": _sdxl,
}
