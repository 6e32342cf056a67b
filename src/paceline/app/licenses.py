"""Under which terms a model may be used: shown wherever one is chosen."""

from paceline.records.image import ImageFamily
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.model import Model


def family_of(model: Model) -> ImageFamily | None:
    """The family of an image model, `None` for a language model."""
    return None if model.image_family is None else IMAGE_FAMILIES[model.image_family]


def license_line(family: ImageFamily) -> str:
    """The terms in a line: `FLUX-NC-1.0.1: non-commercial use only`."""
    terms = family.license
    return terms.name if terms.banner is None else f"{terms.name}: {terms.banner}"


def banner(model: Model) -> str | None:
    """What has to be said when the model is chosen; `None` where nothing has."""
    family = family_of(model)
    if family is None or family.license.banner is None:
        return None
    return f"licence of {family.title}: {license_line(family)}"


def license_document(model: Model) -> dict[str, object] | None:
    """The terms of an image model as JSON; `None` where Paceline does not know a model's terms."""
    family = family_of(model)
    if family is None:
        return None
    terms = family.license
    return {"name": terms.name, "commercial": terms.commercial, "banner": terms.banner}
