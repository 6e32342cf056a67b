"""Pictures as scores: likeness to the baseline's, what they show, and what is no picture."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.errors import SetupError, SpecError
from paceline.records.quality import Item, ItemScore, Reply, Scorer, Suite
from paceline.testing.builders import a_suite, an_item
from paceline.testing.pictures import drawn, write_png
from paceline.trial.images.grading import (
    PictureGrader,
    is_pictured,
    latent_references_of,
    references_of,
    rescore_pictures,
)
from paceline.trial.images.png import Pixels
from paceline.trial.images.similarity import psnr_db, ssim


def _item(number: int, scorer: Scorer = Scorer.PICTURE, *, shows: str = "") -> Item:
    return an_item(
        f"p{number}" + ("/content" if scorer is Scorer.SHOWS else ""),
        category="content" if scorer is Scorer.SHOWS else "fidelity",
        question=f"picture {number}",
        scorer=scorer,
        answer=shows,
        seed=number,
    )


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


@pytest.fixture
def keep(archive: FolderArchive) -> Callable[[Pixels], str]:
    return lambda pixels: archive.keep(write_png(pixels), suffix=".png").path


def _dark(pixels: Pixels, words: str) -> bool:
    """A stand-in for the pixel check."""
    return bool(pixels.mean() < 128) is (words == "something dark")


Keep = Callable[[Pixels], str]


def test_a_variant_is_compared_with_the_baselines_picture(
    archive: FolderArchive, keep: Keep
) -> None:
    mine, theirs = keep(drawn(1)), keep(drawn(2))
    grader = PictureGrader(archive, sees=_dark, references={"p0": theirs})
    score = grader.grade(_item(0), Reply(text=mine))
    assert score.score == pytest.approx(ssim(drawn(1), drawn(2)))
    assert score.figures == {"ssim": score.score, "psnr_db": psnr_db(drawn(1), drawn(2))}
    assert (score.answer, score.earlier) == (mine, (theirs,))


def test_a_baseline_is_compared_with_its_own_first_picture(
    archive: FolderArchive, keep: Keep
) -> None:
    first, second = keep(drawn(1)), keep(drawn(1) + np.uint8(1))
    grader = PictureGrader(archive, sees=_dark)
    noisy = grader.grade(_item(0), Reply(text=second, earlier=(first,)))
    assert 0.99 < noisy.score < 1
    assert grader.grade(_item(0), Reply(text=first, earlier=(first,))).score == 1.0
    assert references_of(grader.summarize(_suite(), [noisy], stopped=None)) == {"p0": first}


def test_likeness_below_zero_is_zero(archive: FolderArchive, keep: Keep) -> None:
    negative = np.uint8(255) - drawn(1)
    grader = PictureGrader(archive, sees=_dark, references={"p0": keep(drawn(1))})
    score = grader.grade(_item(0), Reply(text=keep(negative)))
    assert score.figures["ssim"] < 0
    assert score.score == 0.0


@pytest.mark.parametrize(("words", "wanted"), [("something dark", 1.0), ("something light", 0.0)])
def test_content_is_seen_or_not(
    archive: FolderArchive, keep: Keep, words: str, wanted: float
) -> None:
    path = keep(drawn(1) // 4)
    score = PictureGrader(archive, sees=_dark).grade(
        _item(0, Scorer.SHOWS, shows=words), Reply(text=path)
    )
    assert score.score == wanted


def test_black_flat_and_missing_pictures_are_errors(archive: FolderArchive, keep: Keep) -> None:
    grader = PictureGrader(archive, sees=_dark, references={"p0": keep(drawn(1))})

    def error(reply: Reply) -> str:
        score = grader.grade(_item(0), reply)
        assert score.score == 0.0
        return score.error or ""

    black = np.zeros((32, 32, 3), dtype=np.uint8)
    assert "black" in error(Reply(text=keep(black)))
    assert "one colour: every pixel is about (90, 90, 90)" in error(Reply(text=keep(black + 90)))
    assert error(Reply(text="", error="HTTP 500: no memory")) == "HTTP 500: no memory"
    assert "64x64 px and 32x32" in error(Reply(text=keep(drawn(1, side_px=64))))
    no_png = archive.keep(b"GIF89a", suffix=".png").path
    assert "not as a PNG does" in error(Reply(text=no_png))


def _latents(archive: FolderArchive, seed: int, *, noise: float = 0.0) -> str:
    values = np.random.default_rng(seed).normal(size=(4, 8, 8))
    values += noise * np.random.default_rng(seed + 1).normal(size=values.shape)
    file = io.BytesIO()
    np.save(file, values.astype(np.float16))
    return archive.keep(file.getvalue(), suffix=".npy").path


def test_the_lesser_likeness_of_pixels_and_latents_counts(
    archive: FolderArchive, keep: Keep
) -> None:
    same, theirs = keep(drawn(1)), _latents(archive, 5)
    grader = PictureGrader(archive, sees=_dark, references={"p0": same}, latents={"p0": theirs})
    drifted = _latents(archive, 5, noise=0.5)
    score = grader.grade(_item(0), Reply(text=same, latents=(drifted,)))
    assert score.figures["ssim"] == 1.0
    assert 0 < score.figures["latent_ssim"] == score.score < 0.95
    assert 0 < score.figures["latent_psnr_db"] < 40
    assert score.latents == (drifted, theirs)
    equal = grader.grade(_item(0), Reply(text=same, latents=(theirs,)))
    assert equal.score == pytest.approx(1.0)
    assert "latent_psnr_db" not in equal.figures
    untold = grader.grade(_item(0), Reply(text=same))
    assert (untold.score, untold.latents) == (1.0, ())


def test_broken_latents_are_an_error_whatever_the_picture(
    archive: FolderArchive, keep: Keep
) -> None:
    same, theirs = keep(drawn(1)), _latents(archive, 5)
    file = io.BytesIO()
    np.save(file, np.full((4, 8, 8), np.nan, dtype=np.float16))
    broken = archive.keep(file.getvalue(), suffix=".npy").path
    beside = PictureGrader(archive, sees=_dark, references={"p0": same}, latents={"p0": theirs})
    for grader in (beside, PictureGrader(archive, sees=_dark)):
        score = grader.grade(_item(0), Reply(text=same, latents=(broken,)))
        assert (score.score, score.error) == (0.0, "256 of 256 values of the latents are no number")


def test_latents_are_marked_again_and_must_be_there(
    archive: FolderArchive, keep: Keep, tmp_path: Path
) -> None:
    first, second = _latents(archive, 5), _latents(archive, 5, noise=0.1)
    grader = PictureGrader(archive, sees=_dark)
    picture = keep(drawn(1))
    reply = Reply(text=picture, earlier=(picture,), latents=(second, first))
    stored = grader.summarize(_suite(), [grader.grade(_item(0), reply)], stopped=None)
    assert latent_references_of(stored) == {"p0": first}
    assert rescore_pictures(_suite(), stored, PictureGrader(archive, sees=_dark)) == stored
    (tmp_path / second).unlink()
    with pytest.raises(SetupError):
        rescore_pictures(_suite(), stored, PictureGrader(archive, sees=_dark))


def _suite() -> Suite:
    items = (_item(0), _item(0, Scorer.SHOWS, shows="something light"), _item(1))
    return Suite(name="pictures", version="1", sha256="a" * 64, items=items)


def _graded(archive: FolderArchive, keep: Keep) -> tuple[PictureGrader, list[ItemScore]]:
    grader = PictureGrader(archive, sees=_dark)
    suite = _suite()
    replies = [
        Reply(text=keep(drawn(2)), earlier=(keep(drawn(1)),)),
        Reply(text=keep(drawn(2)), earlier=(keep(drawn(1)),)),
        Reply(text="", error="HTTP 503"),
    ]
    pairs = zip(suite.items, replies, strict=True)
    return grader, [grader.grade(item, reply) for item, reply in pairs]


def test_kept_pictures_give_the_same_result_again(archive: FolderArchive, keep: Keep) -> None:
    grader, scores = _graded(archive, keep)
    stored = grader.summarize(_suite(), scores, stopped=None)
    assert stored.by_category == {"fidelity": scores[0].score / 2, "content": scores[1].score}
    assert rescore_pictures(_suite(), stored, PictureGrader(archive, sees=_dark)) == stored


def test_an_exchanged_picture_is_found(archive: FolderArchive, keep: Keep, tmp_path: Path) -> None:
    grader, scores = _graded(archive, keep)
    stored = grader.summarize(_suite(), scores, stopped=None)
    (tmp_path / scores[0].answer).write_bytes(write_png(drawn(1)))
    with pytest.raises(SetupError, match="is not what was kept"):
        rescore_pictures(_suite(), stored, PictureGrader(archive, sees=_dark))


def test_answers_to_another_suite_are_refused(archive: FolderArchive, keep: Keep) -> None:
    grader, scores = _graded(archive, keep)
    stored = grader.summarize(_suite(), scores, stopped=None)
    other = Suite(name="pictures", version="2", sha256="b" * 64, items=_suite().items)
    with pytest.raises(SpecError, match="is not the one that was answered"):
        rescore_pictures(other, stored, grader)


def test_a_suite_of_pictures_is_told_from_one_of_texts() -> None:
    assert is_pictured(_suite())
    assert not is_pictured(a_suite([an_item()]))
