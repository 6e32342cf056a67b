"""What a run of an image model does otherwise: what its load asks for, who marks its pictures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from paceline.app.exams import PICTURES
from paceline.app.registry import adapter
from paceline.app.wiring import Workshop
from paceline.errors import SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.ports.engine import Engine, WarmsUp
from paceline.ports.inspection import Inspector
from paceline.ports.quality import Evaluator, Grader
from paceline.records.launch import LaunchSpec
from paceline.records.load import Route
from paceline.records.quality import QualityResult, Suite
from paceline.records.request import Request, Workload
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.trial.images.grading import (
    PictureGrader,
    latent_references_of,
    picture_ref,
    references_of,
)
from paceline.trial.images.shapes import shows

PNG: Final = ".png"
PROBE_PICTURES: Final = 4


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
    """Marks pictures by the pixel check and beside the baseline's, with their latents."""
    if baseline is None:
        return PictureGrader(archive, sees=shows)
    return PictureGrader(
        archive,
        sees=shows,
        references=references_of(baseline),
        latents=latent_references_of(baseline),
    )


def route_of(workload: Workload) -> Route:
    """Where the load of a request goes."""
    return Route.CHAT if workload.image is None else Route.IMAGES


def warmed(engine: Engine, launch: LaunchSpec, workload: Workload) -> LaunchSpec:
    """The launch, warm for the pictures that will be asked for; of texts, as it is."""
    load = workload.image
    if load is None or not isinstance(engine, WarmsUp):
        return launch
    return engine.warmed(launch, load)


def prompts_of(workload: Workload, suite: Suite | None) -> tuple[str, ...]:
    """What an image load asks for: the suite's prompts, which the model knows.

    Empty for a load of tokens, whose texts are made to length.
    """
    if workload.image is None or suite is None:
        return ()
    texts = (item.messages[-1].content or "" for item in suite.items)
    return tuple(dict.fromkeys(text for text in texts if text))


def painted_by(trials: Iterable[TrialRecord]) -> Mapping[str, str]:
    """The pictures that a version made when it was measured, by item; empty for texts."""
    result = _marked(trials)
    return {
        score.item_id: score.answer
        for score in (result.items if result else ())
        if score.answer.endswith(PNG) and score.error is None and score.figures
    }


def picture_probe(run: RunRecord, trials: Sequence[TrialRecord], shop: Workshop) -> Suite | None:
    """A seeded part of what a version painted; a replica must paint nearly the same. `None` when
    the suite has changed since or is gone, or nothing of it is kept."""
    result, painted = _marked(trials), painted_by(trials)
    try:
        suite = shop.suites.find(run.request.suite or run.model.suite_path or PICTURES)
    except SpecError:  # a file that lay where the run was started
        return None
    if result is None or suite.sha256 != result.suite_sha256:
        return None
    items = [
        item
        for item in suite.items
        if item.item_id in painted and _is_kept(painted[item.item_id], shop.archive)
    ]
    chance = Random(run.run_id)  # noqa: S311 - not a secret
    chosen = chance.sample(items, min(PROBE_PICTURES, len(items)))
    return replace(suite, items=tuple(chosen)) if chosen else None


def _marked(trials: Iterable[TrialRecord]) -> QualityResult | None:
    """What a version answered when it was asked."""
    return next((trial.quality for trial in trials if trial.quality is not None), None)


def _is_kept(path: str, archive: Archive) -> bool:
    try:
        archive.read(picture_ref(path))
    except SetupError:
        return False
    return True


def prober(
    workload: Workload, painted: Mapping[str, str], shop: Workshop
) -> tuple[Evaluator, Grader] | None:
    """Who asks for a replica's pictures, and marks them beside those of its version; `None` for
    texts."""
    if workload.image is None:
        return None
    make: Callable[..., Evaluator] = adapter("quality", "images")
    grader = PictureGrader(shop.archive, sees=shows, references=painted)
    return make(shop.archive, load=workload.image), grader
