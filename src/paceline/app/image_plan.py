"""Planning for models that make pictures: what they are, whether they may be used, what fits."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paceline.app.licenses import family_of
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.plan.images.known import known_image_shape
from paceline.plan.images.read import Config, read_image_shape
from paceline.plan.images.shape import ImageShape
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.model import Model, outlined
from paceline.records.request import Request
from paceline.spec.images import preset_of_family, refuse_unfitting, require_license, usual_preset
from paceline.spec.workloads import REFERENCE_IMAGE

if TYPE_CHECKING:
    from paceline.plan.images.local import ImageJudge
    from paceline.records.hardware import Accelerator

INDEX: Final = "model_index.json"
_STATED: Final = "paceline_family"


def image_model(name: str, shop: Workshop, *, pictures: bool = False) -> Model | None:
    """The image model that MODEL means, `None` where it means something else.

    A family or its repository is planned by its published shape: no weights are needed. Of another
    model of a hub the configs are fetched where the request is about `pictures`.
    """
    for family in IMAGE_FAMILIES.values():
        shape = known_image_shape(family.name)
        if name in (family.name, family.repository) and shape is not None:
            return outlined(
                family.name,
                folder="",
                pipeline=family.pipeline,
                image_family=family.name,
                parameters=round(shape.parameters),
            )
    if is_image_folder(name):
        return shop.hub.find(name)
    found = shop.hub.preview(name) if pictures else None
    return found if found is not None and found.image_family is not None else None


def refuse_before_fetching(request: Request, shop: Workshop) -> None:
    """Raises SpecError for what is wrong with the request whatever the weights are: its load, its
    limits, a licence that was not accepted. Weights of such models are tens of gigabytes.

    Of a model that is not here the small files are fetched, unless its name says enough.
    """
    family = next((f for f in IMAGE_FAMILIES.values() if request.model == f.repository), None)
    if family is None:
        found = shop.hub.pictures_elsewhere(request.model)
        family = None if found is None else family_of(found)
    if family is not None:
        refuse_unfitting(request, family)
        require_license(family, accepted=request.accept_license)


def image_kind(
    request: Request, model: Model, accelerators: "Sequence[Accelerator]"
) -> "ImageJudge | None":
    """What planning needs for an image model, `None` for a language model.

    Raises SpecError for a request that does not fit the kind of the model, or a licence that the
    user has to accept and did not.
    """
    family = family_of(model)
    refuse_unfitting(request, family)
    load = request.workload.image
    if family is None or load is None:
        return None
    require_license(family, accepted=request.accept_license)
    # every plan comes by here, and few are about pictures
    from paceline.plan.images.local import ImageJudge  # noqa: PLC0415 - see above

    return ImageJudge(
        request=request,
        load=load,
        family=family,
        shape=image_shape_of(model),
        accelerators=accelerators,
    )


def image_shape_of(model: Model) -> ImageShape:
    """Counted from the configs of the folder's components, or of the family without a folder.

    Raises SpecError where it cannot be.
    """
    published = known_image_shape(model.image_family or "")
    if not model.folder and published is not None:
        return published
    weights = (file.path for file in model.files if file.path.endswith(".safetensors"))
    components = dict.fromkeys(path.partition("/")[0] for path in weights)
    return read_image_shape({name: _config(Path(model.folder) / name) for name in components})


def usual_preset_here(model: str) -> str:
    """The load that fits MODEL: what its folder shows, where it has one, else what its name says.

    Reads one small file; a broken one is found later, by the hub.
    """
    index = _index(model)
    if index is None:
        return usual_preset(model)
    stated = index.get(_STATED)
    return preset_of_family(stated if isinstance(stated, str) else "")


def is_image_folder(model: str) -> bool:
    """Whether MODEL is a folder with a pipeline in it, or an installed model that makes pictures.

    Reads one small file.
    """
    return (model == REFERENCE_IMAGE and _is_installed(model)) or _index(model) is not None


def _index(model: str) -> Mapping[str, object] | None:
    path = Path(model).expanduser() / INDEX
    if not path.is_file() or _is_installed(model):
        return None
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_installed(model: str) -> bool:
    """Looks through every installed package, which takes milliseconds."""
    return model in {point.name for point in entry_points(group="paceline.models")}


def _config(folder: Path) -> Config:
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise SpecError(
            Code.BAD_MODEL,
            f"cannot read the config of {folder.name!r} in {str(folder.parent)!r}",
            why=str(error),
            fix=f"fetch the folder {folder.name!r} again",
        ) from error
    return found if isinstance(found, dict) else {}
