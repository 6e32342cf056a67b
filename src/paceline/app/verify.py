"""Checking a receipt: computes everything derived in it again, from the raw data beside it.

Needs no network, no engine and no database: a folder with `receipts/` and `samples/` is enough,
so a receipt can be checked where it was not made. Measures nothing.
"""

from dataclasses import replace
from pathlib import Path
from typing import cast

from paceline.app.figures import Unreadable, footprint_of, load_of, with_figures
from paceline.app.registry import adapter
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.rank.receipt import Recomputed, check
from paceline.records.quality import PairedVerdict, QualityResult, Suite
from paceline.records.receipt import Fault, Finding, Receipt, Verification
from paceline.records.serial import SCHEMA_VERSION, Malformed, NewerSchema, unpack
from paceline.records.trial import BlobRef, TrialRecord
from paceline.trial.scoring import rescore
from paceline.trial.sequential import judged_again


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


class _Bench:
    """Computes trials again; reads each suite once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._suites: dict[str, Suite] = {}

    def __call__(self, receipt: Receipt, index: int) -> Recomputed:
        trial = receipt.trials[index]
        try:
            load = load_of(trial, receipt.request, self._archive)
        except Unreadable as error:
            return _as_stored(trial, f"$.trials[{index}].samples", error)
        try:
            quality = self._quality(receipt, trial)
        except Unreadable as error:
            return _as_stored(trial, "$.suite", error)
        try:
            own = self._rescored(receipt.own_suite, trial.own_quality)
        except Unreadable as error:
            return _as_stored(trial, "$.own_suite", error)
        try:
            footprint = footprint_of(trial, receipt.request, receipt.accelerators)
        except Unreadable as error:
            return _as_stored(trial, "$.accelerators", error)
        again = with_figures(replace(trial, own_quality=own), load, quality, footprint)
        return Recomputed(trial=again, findings=(), samples=int(load is not None))

    def _quality(self, receipt: Receipt, trial: TrialRecord) -> QualityResult | None:
        result = self._rescored(receipt.suite, trial.quality)
        paired = None if trial.quality is None else trial.quality.paired
        if result is None or paired is None:
            return result
        if trial.origin is not None:  # judged in its own run, against the baseline of then
            return replace(result, paired=paired)
        return replace(result, paired=self._paired(receipt, result, trial, margin=paired.margin))

    def _paired(
        self, receipt: Receipt, result: QualityResult, trial: TrialRecord, *, margin: float
    ) -> PairedVerdict | None:
        """The verdict against the baseline, on the answers as they are marked now."""
        asked = (t.quality for t in receipt.trials if t.variant == receipt.plan.baseline)
        base = self._rescored(receipt.suite, next((one for one in asked if one), None))
        if base is None or receipt.suite is None:
            return None
        suite, seed = self._read_suite(receipt.suite), trial.provenance.seed
        return judged_again(suite, result, base, margin=margin, seed=seed)

    def _rescored(self, kept: BlobRef | None, stored: QualityResult | None) -> QualityResult | None:
        if stored is None:
            return None
        if kept is None:
            raise Unreadable("quality was measured, but the receipt names no suite")
        try:
            return rescore(self._read_suite(kept), stored)
        except SpecError as error:
            raise Unreadable(f"{error.what}: {error.why}") from error

    def _read_suite(self, kept: BlobRef) -> Suite:
        if kept.sha256 not in self._suites:
            try:
                suite = unpack(Suite, self._archive.read(kept).decode("ascii"))
            except SetupError as error:
                raise Unreadable(f"{error.what}: {error.why}") from error
            except (Malformed, NewerSchema, UnicodeDecodeError) as error:
                raise Unreadable(f"this is no suite: {error}") from error
            self._suites[kept.sha256] = suite
        return self._suites[kept.sha256]


def _as_stored(trial: TrialRecord, path: str, error: Unreadable) -> Recomputed:
    """The trial unchecked, with the reason; the rest of the receipt can still be checked."""
    finding = Finding(path=path, fault=Fault.BLOB, detail=str(error))
    return Recomputed(trial=trial, findings=(finding,), samples=0)
