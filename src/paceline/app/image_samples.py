"""Pictures of a run to look at: what the baseline and the winner made of the same prompts."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paceline.app.exams import PICTURES
from paceline.app.images import PNG
from paceline.app.wiring import Workshop
from paceline.errors import SetupError, SpecError
from paceline.records.quality import ItemScore
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.trial.images.grading import LATENT_SSIM, SSIM, picture_ref

SAMPLES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture as bytes of a PNG; `likeness` (SSIM, −1 to 1) is to the baseline's first, by the
    pixels, `latent_likeness` by what they were decoded from."""

    variant: str
    png: bytes
    likeness: float | None
    latent_likeness: float | None = None

    @property
    def uri(self) -> str:
        """The picture itself, as a page can hold it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was asked for, and what each of the shown variants made of it."""

    prompt: str
    pictures: tuple[Picture, ...]


def image_samples(
    run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord], shop: Workshop
) -> tuple[Sample, ...]:
    """The first prompts that baseline and winner both painted; empty for texts.

    A picture that is no longer kept is left out with its prompt.
    """
    if run.request.workload.image is None:
        return ()
    shown = list(dict.fromkeys([ranking.baseline, ranking.winner or ranking.baseline]))
    painted = [(variant, _painted(variant, trials)) for variant in shown]
    labels = {ranked.variant.id: ranked.variant.label for ranked in ranking.ranked}
    prompts = _prompts(run, shop)
    shared = [item for item in painted[0][1] if all(item in scores for _, scores in painted)]
    samples = []
    for item in shared:
        try:
            pictures = tuple(
                _picture(labels.get(variant, variant), scores[item], shop)
                for variant, scores in painted
            )
        except SetupError:
            continue
        samples.append(Sample(prompt=prompts.get(item, item), pictures=pictures))
        if len(samples) == SAMPLES:
            break
    return tuple(samples)


def _painted(variant: str, trials: Sequence[TrialRecord]) -> Mapping[str, ItemScore]:
    """A variant's likeness items with their pictures, in the order of the suite."""
    results = (trial.quality for trial in trials if trial.variant.id == variant and trial.quality)
    return {
        score.item_id: score
        for result in results
        for score in result.items
        if SSIM in score.figures and score.answer.endswith(PNG)
    }


def _picture(label: str, score: ItemScore, shop: Workshop) -> Picture:
    png = shop.archive.read(picture_ref(score.answer))
    return Picture(
        variant=label,
        png=png,
        likeness=score.figures.get(SSIM),
        latent_likeness=score.figures.get(LATENT_SSIM),
    )


def _prompts(run: RunRecord, shop: Workshop) -> Mapping[str, str]:
    """What each item asked, where its suite is still there."""
    try:
        suite = shop.suites.find(run.request.suite or run.model.suite_path or PICTURES)
    except SpecError:
        return {}
    return {item.item_id: item.messages[-1].content or item.item_id for item in suite.items}
