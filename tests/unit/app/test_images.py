"""An image run from its pictures to a checked receipt, and what a replica is probed with."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.app.images import (
    PROBE_PICTURES,
    painted_by,
    picture_grader,
    picture_probe,
    prober,
    prompts_of,
    route_of,
    studio,
)
from paceline.app.verify import verify_receipt
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.rank import rank
from paceline.rank.receipt import seal
from paceline.records.image import ImageLoad
from paceline.records.load import Route
from paceline.records.plan import Plan
from paceline.records.quality import Item, QualityResult, Reply, Scorer, Suite
from paceline.records.receipt import Fault, Receipt
from paceline.records.run import RunRecord
from paceline.records.serial import pack
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.testing.builders import (
    a_cpu,
    a_host,
    a_model,
    a_request,
    a_suite,
    a_trial,
    a_variant,
    a_workload,
    an_item,
)
from paceline.testing.pictures import drawn, write_png
from paceline.testing.stores import a_run
from paceline.trial.images.grading import PictureGrader, references_of
from paceline.trial.metrics import Footprint, trial_metrics

IMAGES = replace(a_workload(), image=ImageLoad(width_px=32, height_px=32))
PICTURES = 6


def _item(number: int) -> Item:
    return an_item(
        f"p{number}",
        category="fidelity",
        question=f"picture {number % 3}",
        scorer=Scorer.PICTURE,
        answer="",
        seed=number,
    )


SUITE = a_suite(map(_item, range(PICTURES)), name="pictures", sha256="5" * 64)


def _painted(
    archive: FolderArchive, shift: int, baseline: QualityResult | None = None
) -> QualityResult:
    """Pictures `shift` levels darker than the baseline's."""
    grader = picture_grader(archive, baseline)

    def keep(number: int, levels: int) -> str:
        return archive.keep(write_png(drawn(number) - levels), suffix=".png").path

    replies = [
        Reply(text=keep(number, shift), earlier=() if baseline else (keep(number, 0),))
        for number in range(PICTURES)
    ]
    pairs = zip(SUITE.items, replies, strict=True)
    return grader.summarize(SUITE, [grader.grade(*pair) for pair in pairs], stopped=None)


def _trial(variant: Variant, quality: QualityResult) -> TrialRecord:
    trial = a_trial(variant, quality=quality)
    footprint = Footprint(
        peak_memory_gib=1.0,
        memory_gib=16.0,
        cold_start_s=trial.cold_start.total_s,
        price_usd_per_hour=None,
        images=True,
    )
    return replace(trial, metrics=trial_metrics(None, quality, footprint), steady=False)


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


@pytest.fixture
def receipt(archive: FolderArchive) -> Receipt:
    baseline, rival = a_variant(), a_variant("diffusers", "int8")
    request = a_request(workload=IMAGES)
    plan = Plan(baseline=baseline, variants=(baseline, rival), rejected=())
    first = _painted(archive, 1)
    trials = (_trial(baseline, first), _trial(rival, _painted(archive, 9, first)))
    return Receipt(
        run_id="20260101-120000-ab12",
        created_at_utc="2026-01-01T12:00:00+00:00",
        software={"paceline": "0.1.0"},
        request=request,
        model=a_model(),
        host=a_host(),
        accelerators=(a_cpu(),),
        prices=(),
        formulas={},
        suite=archive.keep(pack(SUITE).encode(), suffix=".suite"),
        plan=plan,
        trials=trials,
        ranking=rank(request, plan, trials),
    )


def _sealed(receipt: Receipt, archive: FolderArchive, folder: Path) -> Path:
    return folder / archive.keep(seal(receipt), suffix=".json").path


def test_the_baseline_loses_its_noise_and_a_variant_more(receipt: Receipt) -> None:
    noise, damage = (trial.quality for trial in receipt.trials)
    assert noise is not None
    assert damage is not None
    assert damage.score < noise.score < 1
    compared = next(r.quality for r in receipt.ranking.ranked if r.quality is not None)
    assert compared.ratio == pytest.approx(damage.score / noise.score)


def test_a_receipt_is_checked_from_its_pictures(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    found = verify_receipt(_sealed(receipt, archive, tmp_path))
    assert found.findings == ()


def test_an_exchanged_picture_is_found(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    path = _sealed(receipt, archive, tmp_path)
    quality = receipt.trials[1].quality
    assert quality is not None
    (tmp_path / quality.items[0].answer).write_bytes(write_png(drawn(0)))
    assert Fault.BLOB in [finding.fault for finding in verify_receipt(path).findings]


def test_an_edited_score_is_found(receipt: Receipt, archive: FolderArchive, tmp_path: Path) -> None:
    quality = receipt.trials[1].quality
    assert quality is not None
    better = (replace(quality.items[0], score=1.0), *quality.items[1:])
    trial = replace(receipt.trials[1], quality=replace(quality, items=better))
    edited = replace(receipt, trials=(receipt.trials[0], trial))
    found = verify_receipt(_sealed(edited, archive, tmp_path)).findings
    assert "$.trials[1].quality.items[0].score" in [finding.path for finding in found]


def test_a_picture_compared_with_another_than_the_baselines_is_found(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    """Beside its own picture any variant is perfect."""
    quality = receipt.trials[1].quality
    assert quality is not None
    first = quality.items[0]
    grader = PictureGrader(archive, sees=lambda *_: True)
    flattered = grader.grade(SUITE.items[0], Reply(text=first.answer, earlier=(first.answer,)))
    assert flattered.score == 1.0
    forged = grader.summarize(SUITE, (flattered, *quality.items[1:]), stopped=None)
    trials = (receipt.trials[0], replace(receipt.trials[1], quality=forged))
    found = verify_receipt(_sealed(replace(receipt, trials=trials), archive, tmp_path)).findings
    assert "$.trials[1].quality.items[0].earlier[0]" in [finding.path for finding in found]


def test_texts_have_no_studio_and_go_to_the_chat_route(archive: FolderArchive) -> None:
    assert studio(a_request(), None, _shop(archive)) is None
    assert prober(a_workload(), {}, _shop(archive)) is None
    assert prompts_of(a_workload(), SUITE) == ()
    assert (route_of(a_workload()), route_of(IMAGES)) == (Route.CHAT, Route.IMAGES)


def test_an_image_load_asks_for_the_suites_prompts_once_each() -> None:
    assert prompts_of(IMAGES, SUITE) == ("picture 0", "picture 1", "picture 2")
    assert prompts_of(IMAGES, None) == ()


def test_variants_are_asked_what_the_baseline_painted(archive: FolderArchive) -> None:
    baseline = _painted(archive, 1)
    found = studio(a_request(workload=IMAGES), baseline, _shop(archive))
    assert found is not None
    assert references_of(baseline).keys() == {item.item_id for item in SUITE.items}


def test_a_replica_is_probed_with_what_its_version_painted(archive: FolderArchive) -> None:
    trials = [_trial(a_variant(), _painted(archive, 1))]
    painted = painted_by(trials)
    probe = picture_probe(_run(), trials, _shop(archive))
    assert probe is not None
    assert len(probe.items) == PROBE_PICTURES
    asked = prober(IMAGES, painted, _shop(archive))
    assert asked is not None
    item = probe.items[0]
    own = asked[1].grade(item, Reply(text=painted[item.item_id]))
    assert own.score == 1.0


def test_pictures_that_are_gone_are_no_probe(archive: FolderArchive, tmp_path: Path) -> None:
    trials = [_trial(a_variant(), _painted(archive, 1))]
    for path in painted_by(trials).values():
        (tmp_path / path).unlink(missing_ok=True)
    assert picture_probe(_run(), trials, _shop(archive)) is None


def test_a_suite_that_has_changed_or_is_gone_is_no_probe(archive: FolderArchive) -> None:
    """The same item may ask for another picture now, and a good replica would fail."""
    quality = _painted(archive, 1)
    asked_before = _trial(a_variant(), replace(quality, suite_sha256="6" * 64))
    assert picture_probe(_run(), [asked_before], _shop(archive)) is None

    def gone(name: str) -> Suite:
        raise SpecError(Code.BAD_INPUT_FILE, f"no {name}", why="moved", fix="put it back")

    shop = _shop(archive)
    shop.suites.find = gone  # type: ignore[method-assign]
    assert picture_probe(_run(), [_trial(a_variant(), quality)], shop) is None


def test_texts_leave_nothing_painted() -> None:
    assert painted_by([a_trial(a_variant())]) == {}


def _run() -> RunRecord:
    return a_run()


def _shop(archive: FolderArchive) -> Workshop:
    shelf = SimpleNamespace(find=lambda _: SUITE)
    return cast("Workshop", cast("Any", SimpleNamespace(archive=archive, suites=shelf)))
