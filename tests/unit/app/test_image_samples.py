"""Pictures of a run to look at."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from paceline.adapters.archives.folder import FolderArchive
from paceline.app.image_samples import SAMPLES, image_samples
from paceline.app.wiring import Workshop
from paceline.cli.run_pictures import pictures_section
from paceline.errors import Code, SpecError
from paceline.rank import rank
from paceline.records.image import ImageLoad
from paceline.records.plan import Plan
from paceline.records.quality import ItemScore, QualityResult
from paceline.testing.builders import a_metric, a_request, a_trial, a_variant, a_workload
from paceline.testing.pictures import drawn, write_png
from paceline.testing.stores import a_run

SLOW, FAST = a_variant("diffusers", "bf16"), a_variant("diffusers", "int8")
REQUEST = a_request(workload=replace(a_workload(), image=ImageLoad(width_px=32, height_px=32)))
RUN = replace(a_run(), request=REQUEST)


def _quality(archive: FolderArchive, shift: int) -> QualityResult:
    scores = tuple(
        ItemScore(
            item_id=f"<p{number}>",
            category="fidelity",
            score=0.9,
            answer=archive.keep(write_png(drawn(number) - shift), suffix=".png").path,
            figures={"ssim": 0.9, "latent_ssim": 0.85},
        )
        for number in range(SAMPLES + 2)
    )
    return QualityResult(
        suite="s", suite_sha256="0", items=scores, score=0.9, by_category={}, ci95=None
    )


def _find(name: str) -> Any:
    raise SpecError(Code.UNKNOWN_NAME, f"no {name}", why="it is gone", fix="look for it")


def _shop(archive: FolderArchive) -> Workshop:
    shop = SimpleNamespace(archive=archive, suites=SimpleNamespace(find=_find))
    return cast("Workshop", cast("Any", shop))


def test_baseline_and_winner_are_shown_for_the_same_prompts(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    rates = {SLOW: 1.0, FAST: 3.0}
    trials = [
        replace(
            a_trial(variant, {"requests_per_s": a_metric(rate, "requests/s", spread=0.01)}),
            quality=_quality(archive, number),
        )
        for number, (variant, rate) in enumerate(rates.items())
    ]
    ranking = rank(REQUEST, Plan(baseline=SLOW, variants=(SLOW, FAST), rejected=()), trials)
    samples = image_samples(RUN, ranking, trials, _shop(archive))
    assert len(samples) == SAMPLES
    first = samples[0]
    assert [picture.variant for picture in first.pictures] == [SLOW.label, FAST.label]
    assert first.pictures[1].png == write_png(drawn(0) - 1)
    page = pictures_section(samples)
    assert page.count("data:image/png;base64,") == 2 * SAMPLES
    assert "&lt;p0&gt;" in page
    assert "SSIM 0.900, of latents 0.850" in page
    (tmp_path / trials[0].quality.items[0].answer).unlink()  # type: ignore[union-attr]
    assert image_samples(RUN, ranking, trials, _shop(archive))[0].prompt == "<p1>"


def test_texts_have_no_pictures(tmp_path: Path) -> None:
    ranking = rank(a_request(), Plan(baseline=SLOW, variants=(SLOW,), rejected=()), [])
    assert image_samples(a_run(), ranking, [], _shop(FolderArchive(tmp_path))) == ()
    assert pictures_section(()) == ""
