"""Writing the receipt of a finished run."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from paceline.app.exams import Exams
from paceline.app.wiring import Workshop
from paceline.rank.receipt import FORMULAS, seal
from paceline.records.hardware import Accelerator
from paceline.records.quality import Suite
from paceline.records.ranking import Ranking
from paceline.records.receipt import Price, Receipt
from paceline.records.run import RunRecord
from paceline.records.serial import pack
from paceline.records.trial import BlobRef, TrialRecord

ARITHMETIC_BY: Final = ("numpy",)
"""Packages whose version could change the last digit of a figure."""


def write_receipt(
    run: RunRecord,
    trials: Sequence[TrialRecord],
    ranking: Ranking,
    exams: Exams,
    shop: Workshop,
) -> BlobRef:
    """Keep the receipt, and the suites beside it; returns where it lies.

    `run` has its plan, with everything that was left out in its rejections. Raises SetupError
    when the disk is full or the data folder cannot be written.
    """
    if run.plan is None:
        raise ValueError(f"run {run.run_id} has no plan, so nothing to give a receipt for")
    now = shop.clock.utc_now().isoformat(timespec="seconds")
    accelerators = shop.executor.inventory()
    receipt = Receipt(
        run_id=run.run_id,
        created_at_utc=now,
        software={
            "paceline": run.software_version,
            "python": platform.python_version(),
            **{name: version(name) for name in ARITHMETIC_BY},
        },
        request=run.request,
        model=run.model,
        host=shop.host.fingerprint(),
        accelerators=accelerators,
        prices=_prices(run, accelerators),
        formulas={**FORMULAS, "objective": ranking.formula},
        suite=_keep_suite(exams.suite, shop),
        own_suite=_keep_suite(exams.own, shop),
        long_suite=_keep_suite(exams.long, shop),
        plan=run.plan,
        trials=tuple(trials),
        ranking=ranking,
    )
    return shop.archive.keep(seal(receipt), suffix=".json")


def _prices(run: RunRecord, accelerators: Sequence[Accelerator]) -> tuple[Price, ...]:
    """The prices that the costs rest on, and of which day; none where no price was known."""
    request = run.request
    sources = {price.accelerator: price.source for price in request.prices}
    return tuple(
        Price(
            accelerator=place.name,
            usd_per_hour=usd,
            source=request.price_source
            if request.price_usd_per_hour is not None
            else sources[place.name],
            used_at_utc=run.created_at_utc,
        )
        for place in accelerators
        if (usd := request.price_of(place.name)) is not None
    )


def _keep_suite(suite: Suite | None, shop: Workshop) -> BlobRef | None:
    """The questions beside the answers, so that scores can be computed again."""
    if suite is None:
        return None
    return shop.archive.keep(pack(suite).encode("ascii"), suffix=".suite")
