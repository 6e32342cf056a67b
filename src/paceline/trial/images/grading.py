"""Pictures → scores: how like the baseline's each is, and whether it shows what was asked for.

A picture is judged against the one that the baseline made of the same prompt and seed, by its
pixels and, where the server tells them, by the latents it was decoded from: the lesser counts. The
baseline is asked twice and judged by the same rule, its second picture against its first: what it
loses to itself is the noise floor of the comparison.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from paceline.ports.archive import Archive
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityResult,
    Reply,
    Scorer,
    Stopped,
    Suite,
)
from paceline.records.trial import BlobRef
from paceline.trial.images.latents import (
    Floats,
    Unlike,
    latent_psnr_db,
    latent_ssim,
    read_latents,
)
from paceline.trial.images.png import Pixels, Undecodable, read_png
from paceline.trial.images.similarity import psnr_db, ssim
from paceline.trial.scoring import require_same_suite, summarize

Sees = Callable[[Pixels, str], bool]
"""Whether a picture shows what the words name: `red circle`."""

FLAT_LEVELS: Final = 1.0
"""Of 255. A picture whose every channel deviates less from its mean shows nothing."""

PSNR_DB: Final = "psnr_db"
SSIM: Final = "ssim"
LATENT_PSNR_DB: Final = "latent_psnr_db"
LATENT_SSIM: Final = "latent_ssim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Paths of what a picture is compared with."""

    picture: str | None
    latents: str | None


class PictureGrader:
    """A Grader of replies whose text is the path of a kept picture.

    `references` names the baseline's picture of each item, `latents` what those were decoded from;
    an item that they lack is compared with what its reply brings of an earlier picture.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        sees: Sees,
        references: Mapping[str, str] | None = None,
        latents: Mapping[str, str] | None = None,
    ) -> None:
        self._archive = archive
        self._sees = sees
        self._references = references or {}
        self._latents = latents or {}
        self._decoded: dict[str, Pixels] = {}

    def grade(self, item: Item, reply: Reply) -> ItemScore:
        """0–1; a picture that is missing, unreadable or flat is 0 with its error."""
        theirs = self._theirs(item, reply)
        try:
            if reply.error is not None or not reply.text:
                raise Undecodable(reply.error or "no picture came")  # noqa: TRY301
            pixels = self._pixels(reply.text)
            refuse_flat(pixels)
            figures = self._likeness(pixels, reply, theirs)
        except (Undecodable, Unlike) as error:
            return _scored(item, reply, theirs, error=str(error))
        seen = item.scorer is Scorer.SHOWS
        score = float(self._sees(pixels, item.answer)) if seen else _least(figures)
        return _scored(item, reply, theirs, score=score, figures={} if seen else figures)

    def summarize(
        self, suite: Suite, scores: Sequence[ItemScore], *, stopped: Stopped | None
    ) -> QualityResult:
        """See `Grader.summarize`."""
        return summarize(suite, scores, stopped=stopped)

    def _theirs(self, item: Item, reply: Reply) -> Beside:
        """The baseline's picture of the item and its latents, as far as they are known."""
        return Beside(
            picture=self._references.get(item.item_id, *reply.earlier[:1]) or None,
            latents=self._latents.get(item.item_id, *reply.latents[1:2]) or None,
        )

    def _likeness(self, pixels: Pixels, reply: Reply, theirs: Beside) -> dict[str, float]:
        """Raises Undecodable or Unlike; latents that are broken are, also with nothing beside."""
        mine = self._floats(reply.latents[0]) if reply.latents else None
        found = {} if theirs.picture is None else _likeness(pixels, self._pixels(theirs.picture))
        if mine is None or theirs.latents is None:
            return found
        reference = self._floats(theirs.latents)
        found[LATENT_SSIM] = latent_ssim(mine, reference)
        noise_db = latent_psnr_db(mine, reference)
        return found if noise_db is None else {**found, LATENT_PSNR_DB: noise_db}

    def _floats(self, path: str) -> Floats:
        """Not remembered: they are read in milliseconds, and those of a suite fill 100 MB."""
        return read_latents(self._archive.read(picture_ref(path)))

    def _pixels(self, path: str) -> Pixels:
        if path not in self._decoded:
            self._decoded[path] = read_png(self._archive.read(picture_ref(path)))
        return self._decoded[path]


def references_of(baseline: QualityResult) -> Mapping[str, str]:
    """The first picture that the baseline made for each item: what others are compared with."""
    return {score.item_id: score.earlier[0] for score in baseline.items if score.earlier}


def latent_references_of(baseline: QualityResult) -> Mapping[str, str]:
    """What those were decoded from; empty where its server did not tell."""
    return {score.item_id: score.latents[1] for score in baseline.items if score.latents[1:]}


def rescore_pictures(suite: Suite, stored: QualityResult, grader: PictureGrader) -> QualityResult:
    """The result that the kept pictures give now; equal to `stored` unless something was edited.

    Raises SpecError when the suite is not the one that was asked, SetupError when a picture is
    gone or changed.
    """
    require_same_suite(suite, stored)
    by_id = {item.item_id: item for item in suite.items}
    scores = [
        grader.grade(
            by_id[score.item_id],
            Reply(
                text=score.answer,
                earlier=score.earlier,
                latents=score.latents,
                error=None if score.answer else score.error,
            ),
        )
        for score in stored.items
    ]
    return summarize(suite, scores, stopped=stored.stopped)


def is_pictured(suite: Suite) -> bool:
    """Whether a suite asks for pictures."""
    return any(item.scorer in (Scorer.PICTURE, Scorer.SHOWS) for item in suite.items)


def refuse_flat(pixels: Pixels) -> None:
    """Raises Undecodable for a picture that shows nothing: NaN in a model ends as black."""
    if float(pixels.std(axis=(0, 1)).max()) >= FLAT_LEVELS:
        return
    red, green, blue = (round(float(mean)) for mean in pixels.mean(axis=(0, 1)))
    name = "black" if not red + green + blue else "one colour"
    raise Undecodable(f"the picture is {name}: every pixel is about ({red}, {green}, {blue})")


def picture_ref(path: str) -> BlobRef:
    """A kept picture, or its latents, by its path: its name is the hash of its content."""
    return BlobRef(path=path, sha256=PurePosixPath(path).stem, size_bytes=0)


def _likeness(pixels: Pixels, reference: Pixels) -> dict[str, float]:
    try:
        found = {SSIM: ssim(pixels, reference)}
        noise_db = psnr_db(pixels, reference)
    except ValueError as error:
        raise Undecodable(f"the picture and the baseline's differ in size: {error}") from error
    return found if noise_db is None else {**found, PSNR_DB: noise_db}


def _least(figures: Mapping[str, float]) -> float:
    """Of the likenesses that could be found, 0 at least; 0 where there are none."""
    found = [figures[name] for name in (SSIM, LATENT_SSIM) if name in figures]
    return max(min(found, default=0.0), 0.0)


def _scored(
    item: Item,
    reply: Reply,
    theirs: Beside,
    *,
    score: float = 0.0,
    figures: Mapping[str, float] | None = None,
    error: str | None = None,
) -> ItemScore:
    return ItemScore(
        item_id=item.item_id,
        category=item.category,
        score=score,
        answer=reply.text,
        error=error,
        earlier=() if theirs.picture is None else (theirs.picture,),
        latents=(*reply.latents[:1], *filter(None, [theirs.latents])) if reply.latents else (),
        figures=figures or {},
        weight=item.weight,
    )
