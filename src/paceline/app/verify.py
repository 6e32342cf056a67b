"""Checking a receipt: computes everything derived in it again, from the raw data beside it.

Needs no network, no engine and no database: a folder with `receipts/` and `samples/` is enough,
so a receipt can be checked where it was not made. Measures nothing.
"""

from pathlib import Path
from typing import cast

from paceline.app.figures import Unreadable, footprint_of, load_of, with_figures
from paceline.app.registry import adapter
from paceline.app.remark import Remarker, UnreadableAt
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.rank.receipt import Recomputed, check, receipt_of
from paceline.records.receipt import Fault, Finding, Receipt, Verification
from paceline.records.serial import SCHEMA_VERSION, Malformed, NewerSchema
from paceline.records.trial import TrialRecord


def verify_receipt(path: Path) -> Verification:
    """What is wrong with the receipt at `path`, if anything; reads it and the data beside it.

    Raises SpecError when there is no such file, SetupError when a newer Paceline wrote it.
    """
    data = _bytes_of(path)
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


def read_receipt(path: Path) -> Receipt:
    """The receipt at `path`, unchecked. Raises SpecError when it is none."""
    data = _bytes_of(path)
    try:
        return receipt_of(data)
    except (Malformed, NewerSchema) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"{str(path)!r} is no receipt of this program",
            why=str(error),
            fix="paceline verify RECEIPT says what is wrong with it",
        ) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read the receipt {str(path)!r}",
            why=f"{error.strerror} (errno {error.errno})",
            fix="`paceline runs show RUN` names the receipt of a run",
        ) from error


class _Bench:
    """Computes trials again; reads each suite once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._remark = Remarker(archive)

    def __call__(self, receipt: Receipt, index: int) -> Recomputed:
        trial = receipt.trials[index]
        try:
            load = load_of(trial, receipt.request, self._archive)
        except Unreadable as error:
            return _as_stored(trial, f"$.trials[{index}].samples", error)
        try:
            marked = self._remark(receipt, index)
        except UnreadableAt as error:
            return _as_stored(trial, error.path, error, error.fault)
        try:
            footprint = footprint_of(trial, receipt.request, receipt.accelerators)
        except Unreadable as error:
            return _as_stored(trial, "$.accelerators", error)
        again = with_figures(marked, load, marked.quality, footprint)
        return Recomputed(trial=again, findings=(), samples=int(load is not None))


def _as_stored(
    trial: TrialRecord, path: str, error: Unreadable, fault: Fault = Fault.BLOB
) -> Recomputed:
    """The trial unchecked, with the reason; the rest of the receipt can still be checked."""
    finding = Finding(path=path, fault=fault, detail=str(error))
    return Recomputed(trial=trial, findings=(finding,), samples=0)
