"""Whether a request fits the kind of model it is about: pictures or text.

Called when the model is known; everything here is said before anything is launched.
"""

from collections.abc import Mapping
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.image import ImageFamily, ImageLoad, Mode
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.request import Constraint, Request
from paceline.spec.names import unknown_name
from paceline.spec.workloads import DEFAULT, IMAGE, REFERENCE, REFERENCE_IMAGE

ACCEPT: Final = "--accept-license"
OF_MODE: Final[Mapping[Mode, str]] = {
    Mode.REALTIME: "flux-schnell",
    Mode.QUALITY: "sd3.5-large",
}
"""The family that a mode stands for where no model was named: free for commercial use, and the
best of its kind at the time (2026-11)."""
_TOKEN_METRICS: Final = ("ttft", "tpot", "itl", "output_tokens_per_s")
_TOKEN_UNITS: Final = ("usd/mtok",)
_IMAGE_UNITS: Final = ("usd/image",)


def read_mode(text: str) -> Mode:
    """A mode by its name, in any case. Raises SpecError (`unknown-name`)."""
    names = [mode.value for mode in Mode]
    if text.lower() not in names:
        raise unknown_name("mode", text, names)
    return Mode(text.lower())


def model_of_mode(mode: Mode) -> str:
    """The model for those who named a mode and no model."""
    family = IMAGE_FAMILIES[OF_MODE[mode]]
    return family.repository or family.name


def usual_preset(model: str) -> str:
    """The load of a model whose kind its name alone tells; text where it does not."""
    if model in (REFERENCE, REFERENCE_IMAGE):
        return model
    known = {
        name for family in IMAGE_FAMILIES.values() for name in (family.name, family.repository)
    }
    return IMAGE if model in known else DEFAULT


def preset_of_family(family: str | None) -> str:
    """The load that fits a model of an image family, or one of text (`None`)."""
    if family is None:
        return DEFAULT
    return REFERENCE_IMAGE if family == REFERENCE_IMAGE else IMAGE


def refuse_unfitting(request: Request, family: ImageFamily | None) -> None:
    """Raises SpecError for a load, a limit or a mode that a model of this kind cannot have.

    `family` is `None` for a language model.
    """
    load = request.workload.image
    if family is None:
        _refuse_pictures(request)
        return
    if load is None:
        raise _bad(
            f"{request.model!r} makes pictures, and the workload {request.workload.name!r} asks"
            " for text",
            "its lengths are tokens, of which an image model has none",
            f"--workload {preset_of_family(family.name)}",
        )
    for constraint in request.constraints:
        _refuse_tokens(constraint, request.model)
    _refuse_mode(request.mode, family)
    _refuse_load(load, family)


def require_license(family: ImageFamily, *, accepted: bool) -> None:
    """Raises SpecError (`license-not-accepted`) for weights that need the user's own word."""
    terms = family.license
    if terms.commercial or accepted:
        return
    raise SpecError(
        Code.LICENSE_NOT_ACCEPTED,
        f"the licence of {family.title} was not accepted",
        why=f"{terms.name}: {terms.banner}",
        fix=f"read the licence; if your use is covered, repeat with {ACCEPT}",
    )


def _refuse_pictures(request: Request) -> None:
    if request.workload.image is not None:
        raise _bad(
            f"{request.model!r} writes text, and the workload {request.workload.name!r} asks for"
            " pictures",
            "only models of an image family make pictures",
            f"--workload {DEFAULT}",
        )
    if request.mode is not None:
        raise _bad(
            f"{request.model!r} has no mode {request.mode.value!r}",
            "modes choose how an image model is asked; this model writes text",
            "leave --mode out",
        )
    for constraint in request.constraints:
        if constraint.unit in _IMAGE_UNITS:
            raise _no_such(constraint, request.model, "it makes no pictures", "usd/mtok")


def _refuse_tokens(constraint: Constraint, model: str) -> None:
    if constraint.metric in _TOKEN_METRICS:
        fitting = "e2e p95 <= 2s" if constraint.comparison.wants_less else "requests_per_s >= 1"
        raise _no_such(constraint, model, "a picture has no tokens and comes whole", fitting)
    if constraint.unit in _TOKEN_UNITS:
        raise _no_such(constraint, model, "a picture has no tokens", "cost <= 0.01 usd/image")


def _no_such(constraint: Constraint, model: str, why: str, fitting: str) -> SpecError:
    return SpecError(
        Code.BAD_CONSTRAINT,
        f"{constraint.text!r} does not fit {model!r}",
        why=why,
        fix=f"write for example {fitting!r}",
    )


def _refuse_mode(mode: Mode | None, family: ImageFamily) -> None:
    if mode is None or mode is family.mode:
        return
    fitting = [one.repository for one in IMAGE_FAMILIES.values() if one.mode is mode]
    raise SpecError(
        Code.CONTRADICTION,
        f"{family.title} is no {mode.value} model",
        why=f"it was trained to be asked in {family.steps} steps, for {family.mode.value}",
        fix=f"name another model ({', '.join(filter(None, fitting))}), or leave --mode out",
    )


def _refuse_load(load: ImageLoad, family: ImageFamily) -> None:
    multiple = family.side_multiple_px
    for side_px in (load.width_px, load.height_px):
        if side_px % multiple or side_px > family.most_side_px:
            raise _bad(
                f"{family.title} cannot make {load.width_px}x{load.height_px}",
                f"a side is a multiple of {multiple} pixels, at most {family.most_side_px};"
                f" {side_px} is not",
                f"--workload image,size={family.side_px}x{family.side_px}",
            )
    if load.steps is not None and load.steps > family.most_steps:
        raise _bad(
            f"{family.title} cannot take {load.steps} steps",
            f"it was distilled to at most {family.most_steps}",
            f"steps={family.steps}",
        )
    if load.scheduler is not None and load.scheduler not in family.schedulers:
        raise _bad(
            f"{family.title} cannot be asked with the scheduler {load.scheduler.value!r}",
            f"it works with {', '.join(family.schedulers)}",
            f"scheduler={family.scheduler.value}",
        )


def _bad(what: str, why: str, fix: str) -> SpecError:
    return SpecError(Code.BAD_OPTION, what, why=why, fix=fix)
