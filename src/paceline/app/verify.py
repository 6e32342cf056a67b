"""Checking a receipt: computes everything derived in it again, from the raw data beside it.

Needs no network, no engine and no database: a folder with `receipts/` and `samples/` is enough,
so a receipt can be checked where it was not made. Measures nothing.
"""

from pathlib import Path
from typing import cast

from paceline.app.figures import Unreadable, footprint_of, load_of, with_figures
from paceline.app.registry import adapter
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.rank.receipt import Recomputed, check
from paceline.records.quality import QualityResult, Suite
from paceline.records.receipt import Fault, Finding, Receipt, Verification
from paceline.records.serial import SCHEMA_VERSION, Malformed, NewerSchema, unpack
from paceline.records.trial import TrialRecord
from paceline.trial.scoring import rescore


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
    """Computes trials again; reads the suite once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._suite: Suite | None = None

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
            footprint = footprint_of(trial, receipt.request, receipt.accelerators)
        except Unreadable as error:
            return _as_stored(trial, "$.accelerators", error)
        again = with_figures(trial, load, quality, footprint)
        return Recomputed(trial=again, findings=(), samples=int(load is not None))

    def _quality(self, receipt: Receipt, trial: TrialRecord) -> QualityResult | None:
        if trial.quality is None:
            return None
        try:
            return rescore(self._read_suite(receipt), trial.quality)
        except SpecError as error:
            raise Unreadable(f"{error.what}: {error.why}") from error

    def _read_suite(self, receipt: Receipt) -> Suite:
        if receipt.suite is None:
            raise Unreadable("quality was measured, but the receipt names no suite")
        if self._suite is None:
            try:
                self._suite = unpack(Suite, self._archive.read(receipt.suite).decode("ascii"))
            except SetupError as error:
                raise Unreadable(f"{error.what}: {error.why}") from error
            except (Malformed, NewerSchema, UnicodeDecodeError) as error:
                raise Unreadable(f"this is no suite: {error}") from error
        return self._suite


def _as_stored(trial: TrialRecord, path: str, error: Unreadable) -> Recomputed:
    """The trial unchecked, with the reason; the rest of the receipt can still be checked."""
    finding = Finding(path=path, fault=Fault.BLOB, detail=str(error))
    return Recomputed(trial=trial, findings=(finding,), samples=0)
