"""What a run of an image model does otherwise: what its load asks for, who marks its pictures."""

from collections.abc import Callable
from dataclasses import dataclass

from paceline.app.registry import adapter
from paceline.app.wiring import Workshop
from paceline.ports.archive import Archive
from paceline.ports.inspection import Inspector
from paceline.ports.quality import Evaluator, Grader
from paceline.records.load import Route
from paceline.records.quality import QualityResult, Suite
from paceline.records.request import Request, Workload
from paceline.trial.images.grading import PictureGrader, references_of
from paceline.trial.images.load import PROMPTS
from paceline.trial.images.shapes import shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """Who asks for pictures and marks them, and who looks into the runtime."""

    evaluator: Evaluator
    grader: Grader
    inspector: Inspector


def studio(request: Request, baseline: QualityResult | None, shop: Workshop) -> Studio | None:
    """For one trial; `None` for a language model.

    `baseline` is what the baseline painted; without it the trial is the baseline's own, which
    paints everything twice.
    """
    load = request.workload.image
    if load is None:
        return None
    references = None if baseline is None else references_of(baseline)
    make: Callable[..., Evaluator] = adapter("quality", "images")
    inspector: Callable[[], Inspector] = adapter("inspectors", "http")
    return Studio(
        evaluator=make(shop.archive, load=load, twice=references is None, only=references),
        grader=picture_grader(shop.archive, baseline),
        inspector=inspector(),
    )


def picture_grader(archive: Archive, baseline: QualityResult | None = None) -> PictureGrader:
    """Marks pictures by the pixel check and beside the baseline's."""
    references = None if baseline is None else references_of(baseline)
    return PictureGrader(archive, sees=shows, references=references)


def route_of(workload: Workload) -> Route:
    """Where the load of a request goes."""
    return Route.CHAT if workload.image is None else Route.IMAGES


def prompts_of(workload: Workload, suite: Suite | None) -> tuple[str, ...]:
    """What an image load asks for: the suite's prompts, which the model knows; else everyday ones.

    Empty for a load of tokens, whose texts are made to length.
    """
    if workload.image is None:
        return ()
    items = () if suite is None else suite.items
    texts = (item.messages[-1].content or "" for item in items)
    return tuple(dict.fromkeys(text for text in texts if text)) or PROMPTS
