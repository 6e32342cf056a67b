"""Pictures as scores: likeness to the baseline's, what they show, and what is no picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.errors import SetupError, SpecError
from paceline.records.quality import Item, ItemScore, Message, Reply, Scorer, Suite
from paceline.testing.pictures import drawn, write_png
from paceline.trial.images.grading import (
    PictureGrader,
    is_pictured,
    references_of,
    rescore_pictures,
)
from paceline.trial.images.png import Pixels
from paceline.trial.images.similarity import psnr_db, ssim


def _item(number: int, scorer: Scorer = Scorer.PICTURE, *, shows: str = "") -> Item:
    return Item(
        item_id=f"p{number}" + ("/content" if scorer is Scorer.SHOWS else ""),
        category="content" if scorer is Scorer.SHOWS else "fidelity",
        messages=(Message(role="user", content=f"picture {number}"),),
        scorer=scorer,
        answer=shows,
        max_tokens=1,
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
    text = Item(
        item_id="t",
        category="facts",
        messages=(Message(role="user", content="?"),),
        scorer=Scorer.EXACT,
        answer="yes",
        max_tokens=4,
    )
    assert not is_pictured(Suite(name="t", version="1", sha256="", items=(text,)))
