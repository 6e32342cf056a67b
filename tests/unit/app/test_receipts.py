"""What a run leaves can be verified, and says what it rests on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.exams import Exams
from paceline.app.places import Places
from paceline.app.receipts import write_receipt
from paceline.app.verify import verify_receipt
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.rank import rank
from paceline.rank.receipt import ENVELOPE
from paceline.records.hardware import Accelerator
from paceline.records.quality import Suite
from paceline.records.receipt import Price, Receipt
from paceline.records.request import DevicePrice
from paceline.records.run import RunRecord
from paceline.records.serial import load, unpack
from paceline.records.trial import BlobRef
from paceline.testing.builders import a_cpu, a_trial
from paceline.testing.stores import BASELINE, a_plan, a_run
from paceline.trial.metrics import Footprint, trial_metrics
from paceline.trial.scoring import summarize

SUITE = Suite(name="small", version="1", sha256="5" * 64, items=())


class OneCpu:
    """The part of an executor that a receipt asks."""

    def inventory(self) -> tuple[Accelerator, ...]:
        return (a_cpu(),)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    shop.__dict__["executor"] = OneCpu()  # what `cached_property` would have made
    return shop


def left_by(run: RunRecord, shop: Workshop, suite: Suite | None = None) -> BlobRef:
    """The receipt of a run with one trial, which answered the suite if there is one."""
    quality = None if suite is None else summarize(suite, [])
    footprint = Footprint(
        peak_memory_gib=None, memory_gib=16.0, cold_start_s=1.1, price_usd_per_hour=None
    )
    figures = trial_metrics(None, quality, footprint)
    trials = [replace(a_trial(BASELINE, figures, quality=quality), steady=False)]
    plan = a_plan()
    ranking = rank(run.request, plan, trials)
    exams = Exams(suite=suite, own=None)
    return write_receipt(replace(run, plan=plan), trials, ranking, exams, shop)


def receipt_at(ref: BlobRef, shop: Workshop) -> Receipt:
    document = json.loads(shop.archive.read(ref))
    return load(Receipt, {name: document[name] for name in document.keys() - set(ENVELOPE)})


def test_what_a_run_leaves_can_be_verified(shop: Workshop, tmp_path: Path) -> None:
    ref = left_by(a_run(), shop)
    found = verify_receipt(tmp_path / ref.path)
    assert found.findings == ()
    assert (found.sha256, found.run_id) == (ref.sha256, a_run().run_id)


def test_it_says_what_the_price_was_and_whose(shop: Workshop) -> None:
    request = replace(a_run().request, price_usd_per_hour=0.2, price_source="the user")
    receipt = receipt_at(left_by(replace(a_run(), request=request), shop), shop)
    assert receipt.prices == (
        Price(
            accelerator="cpu",
            usd_per_hour=0.2,
            source="the user",
            used_at_utc=a_run().created_at_utc,
        ),
    )


def test_each_accelerator_is_in_it_at_its_own_price(shop: Workshop, tmp_path: Path) -> None:
    prices = (
        DevicePrice(accelerator="some-card", usd_per_hour=4.0, source="a list"),
        DevicePrice(accelerator="cpu", usd_per_hour=0.1, source="a table"),
    )
    request = replace(a_run().request, price_usd_per_hour=None, prices=prices)
    ref = left_by(replace(a_run(), request=request), shop)
    (found,) = receipt_at(ref, shop).prices
    assert (found.accelerator, found.usd_per_hour, found.source) == ("cpu", 0.1, "a table")
    assert verify_receipt(tmp_path / ref.path).findings == ()


def test_it_names_the_questions_and_the_versions(shop: Workshop) -> None:
    receipt = receipt_at(left_by(a_run(), shop, SUITE), shop)
    assert receipt.suite is not None
    assert unpack(Suite, shop.archive.read(receipt.suite).decode()) == SUITE
    assert receipt.software["paceline"] == "0.1.0"
    assert {"python", "numpy"} < receipt.software.keys()
    assert receipt.formulas["objective"] == receipt.ranking.formula


def test_a_run_without_a_plan_has_no_receipt(shop: Workshop) -> None:
    ranking = rank(a_run().request, a_plan(), [])
    with pytest.raises(ValueError, match="no plan"):
        write_receipt(a_run(), [], ranking, Exams(suite=None, own=None), shop)
