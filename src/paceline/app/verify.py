"""Checking a receipt: computes everything derived in it again, from the raw data beside it.

Needs no network, no engine and no database: a folder with `receipts/` and `samples/` is enough,
so a receipt can be checked where it was not made. Measures nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from paceline.app.registry import adapter
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.rank.receipt import Recomputed, check
from paceline.records.load import LoadSummary
from paceline.records.metric_names import PEAK_MEMORY_GIB
from paceline.records.quality import QualityResult, Suite
from paceline.records.receipt import Fault, Finding, Receipt, Verification
from paceline.records.samples import unpack as unpack_samples
from paceline.records.serial import SCHEMA_VERSION, Malformed, NewerSchema, unpack
from paceline.records.trial import TrialRecord
from paceline.trial.metrics import Footprint, trial_metrics
from paceline.trial.scoring import rescore
from paceline.trial.slo import goodput
from paceline.trial.timeline import summarise


def verify_receipt(path: Path) -> Verification:
    """What is wrong with the receipt at `path`, if anything; reads it and the data beside it.

    Raises SpecError when there is no such file, SetupError when a newer Paceline wrote it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read the receipt {str(path)!r}",
            why=f"{error.strerror} (errno {error.errno})",
            fix="`paceline runs show RUN` names the receipt of a run",
        ) from error
    archive = cast("Archive", adapter("archives", "folder")(path.absolute().parent.parent))
    try:
        return check(data, path.stem, _Bench(archive))
    except NewerSchema as error:
        raise SetupError(
            Code.BAD_INPUT_FILE,
            f"the receipt {str(path)!r} was written by a newer Paceline",
            why=f"its schema version is {error.stored}; this program knows up to {SCHEMA_VERSION}",
            fix="check it with the version that it names under `software`",
        ) from error


class _Unreadable(Exception):
    """Raw data that a trial's figures rest on cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What the samples of one trial give."""

    summary: LoadSummary
    goodput_rps: float | None


class _Bench:
    """Computes trials again; reads the suite once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._suite: Suite | None = None

    def __call__(self, receipt: Receipt, index: int) -> Recomputed:
        trial = receipt.trials[index]
        try:
            load = self._load(receipt, trial)
        except _Unreadable as error:
            return _as_stored(trial, f"$.trials[{index}].samples", error)
        try:
            quality = self._quality(receipt, trial)
        except _Unreadable as error:
            return _as_stored(trial, "$.suite", error)
        footprint = _footprint(receipt, trial)
        if footprint is None:
            names = ", ".join(place.name for place in receipt.accelerators)
            why = f"{trial.variant.accelerator!r} is none of {names}"
            return _as_stored(trial, "$.accelerators", _Unreadable(why))
        summary = None if load is None else load.summary
        again = replace(
            trial,
            metrics=trial_metrics(
                summary,
                quality,
                footprint,
                goodput_rps=None if load is None else load.goodput_rps,
                speculation=trial.speculation,
            ),
            quality=quality,
            steady=summary.steady if summary else False,
        )
        return Recomputed(trial=again, findings=(), samples=int(load is not None))

    def _load(self, receipt: Receipt, trial: TrialRecord) -> _Load | None:
        if trial.samples is None:
            return None
        try:
            table = unpack_samples(self._archive.read(trial.samples))
        except SetupError as error:
            raise _Unreadable(f"{error.what}: {error.why}") from error
        except (ValueError, KeyError, OSError) as error:
            raise _Unreadable(f"these are no samples: {error}") from error
        open_loop = receipt.request.workload.rate_rps is not None
        summary = summarise(table, open_loop=open_loop)
        constraints = receipt.request.constraints
        return _Load(
            summary=summary,
            goodput_rps=goodput(table, summary, constraints, open_loop=open_loop),
        )

    def _quality(self, receipt: Receipt, trial: TrialRecord) -> QualityResult | None:
        if trial.quality is None:
            return None
        try:
            return rescore(self._read_suite(receipt), trial.quality)
        except SpecError as error:
            raise _Unreadable(f"{error.what}: {error.why}") from error

    def _read_suite(self, receipt: Receipt) -> Suite:
        if receipt.suite is None:
            raise _Unreadable("quality was measured, but the receipt names no suite")
        if self._suite is None:
            try:
                self._suite = unpack(Suite, self._archive.read(receipt.suite).decode("ascii"))
            except SetupError as error:
                raise _Unreadable(f"{error.what}: {error.why}") from error
            except (Malformed, NewerSchema, UnicodeDecodeError) as error:
                raise _Unreadable(f"this is no suite: {error}") from error
        return self._suite


def _footprint(receipt: Receipt, trial: TrialRecord) -> Footprint | None:
    """What the figures of one trial need besides its samples; `None` on an unknown accelerator."""
    places = {place.name: place for place in receipt.accelerators}
    place = places.get(trial.variant.accelerator)
    if place is None:
        return None
    peak = trial.metrics.get(PEAK_MEMORY_GIB)
    price = receipt.request.price_usd_per_hour
    return Footprint(
        peak_memory_gib=peak.value if peak else None,
        memory_gib=place.memory_gib,
        cold_start_s=trial.cold_start.total_s,
        price_usd_per_hour=None if price is None else price * trial.variant.count,
    )


def _as_stored(trial: TrialRecord, path: str, error: _Unreadable) -> Recomputed:
    """The trial unchecked, with the reason; the rest of the receipt can still be checked."""
    finding = Finding(path=path, fault=Fault.BLOB, detail=str(error))
    return Recomputed(trial=trial, findings=(finding,), samples=0)
