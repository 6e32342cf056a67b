"""A finished run → its receipt, kept by the hash of its content."""

from collections.abc import Sequence
from pathlib import Path
from platform import python_version

import numpy as np

from paceline import __version__
from paceline.app.planning import Planned
from paceline.app.wiring import Workshop
from paceline.rank.receipt import FORMULAS, seal
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.receipt import Price, Receipt
from paceline.records.run import RunRecord
from paceline.records.trial import BlobRef, TrialRecord


def write_receipt(
    run: RunRecord,
    planned: Planned,
    plan: Plan,
    *,
    trials: Sequence[TrialRecord],
    ranking: Ranking,
    shop: Workshop,
) -> BlobRef:
    """Write it once, whole; `plan` is the final one, with what the budget left out.

    Raises SetupError when the disk is full.
    """
    now = shop.clock.utc_now().isoformat(timespec="seconds")
    used = sorted({trial.variant.accelerator for trial in trials})
    price = run.request.price_usd_per_hour
    receipt = Receipt(
        run_id=run.run_id,
        created_at_utc=now,
        software={
            "paceline": __version__,
            "python": python_version(),
            "numpy": np.__version__,
        },
        request=run.request,
        model=run.model,
        host=shop.host.fingerprint(),
        accelerators=tuple(a for a in planned.accelerators if a.name in used),
        prices=tuple(
            Price(
                accelerator=name,
                usd_per_hour=price,
                source=run.request.price_source,
                used_at_utc=now,
            )
            for name in used
            if price is not None
        ),
        formulas=FORMULAS,
        suite=_keep_suite(run.model.suite_path, trials, shop),
        plan=plan,
        trials=tuple(trials),
        ranking=ranking,
    )
    return shop.archive.keep(seal(receipt), suffix=".json")


def _keep_suite(
    suite_path: str | None, trials: Sequence[TrialRecord], shop: Workshop
) -> BlobRef | None:
    """The questions beside the answers, so that scores can be computed again."""
    if suite_path is None or not any(trial.quality for trial in trials):
        return None
    return shop.archive.keep(Path(suite_path).read_bytes(), suffix=".jsonl")
