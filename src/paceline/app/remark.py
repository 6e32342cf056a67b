"""Everything that a receipt says of quality, found again from the stored answers and readings."""

import re
from dataclasses import replace
from typing import Final

from jsonschema.exceptions import SchemaError, UnknownType
from referencing.exceptions import Unresolvable

from paceline.app.figures import Unreadable
from paceline.app.images import picture_grader
from paceline.app.references import readings_of
from paceline.deadline import TooSlow, deadline
from paceline.errors import SetupError, SpecError
from paceline.ports.archive import Archive
from paceline.records.fidelity import Fidelity
from paceline.records.quality import PairedVerdict, QualityResult, Suite
from paceline.records.receipt import Fault, Receipt
from paceline.records.serial import Malformed, NewerSchema, unpack
from paceline.records.trial import BlobRef, TrialRecord
from paceline.trial.closeness import Reference, fidelity_to
from paceline.trial.images.grading import is_pictured, rescore_pictures
from paceline.trial.scoring import rescore
from paceline.trial.sequential import judged_again

MARKING_S: Final = 2.0
MARKING_S_PER_ANSWER: Final = 0.05
"""Processor time for one trial's answers. Rules take microseconds each; what an expression without
an end would take has no bound, and a receipt may come from a stranger."""
_BROKEN: Final = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError),
    *(re.error, SchemaError, UnknownType, Unresolvable),
)
"""What marking raises for items that no suite of ours would have let in."""


class UnreadableAt(Unreadable):
    """Raw data of quality cannot be used; `path` is where the receipt refers to them."""

    def __init__(self, path: str, because: str, fault: Fault = Fault.BLOB) -> None:
        super().__init__(because)
        self.path = path
        self.fault = fault


class Remarker:
    """Marks the answers of a receipt's trials again; reads each suite once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._suites: dict[str, Suite] = {}
        self._unmarked: dict[str, str] = {}

    def __call__(self, receipt: Receipt, index: int) -> TrialRecord:
        """Trial `index` with its quality computed again. Raises UnreadableAt."""
        trial = receipt.trials[index]
        return replace(
            trial,
            quality=self._quality(receipt, trial),
            own_quality=self._rescored("$.own_suite", receipt.own_suite, trial.own_quality),
            long_quality=self._rescored("$.long_suite", receipt.long_suite, trial.long_quality),
            loaded_quality=self._rescored("$.suite", receipt.suite, trial.loaded_quality),
            fidelity=self._fidelity(receipt, index),
        )

    def _quality(self, receipt: Receipt, trial: TrialRecord) -> QualityResult | None:
        # One measured in its own run was compared with the pictures of the baseline of then.
        beside = None if trial.origin is not None else _first_answers(receipt)
        result = self._rescored("$.suite", receipt.suite, trial.quality, beside=beside)
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
        base = self._rescored("$.suite", receipt.suite, _first_answers(receipt))
        if base is None or receipt.suite is None:
            return None
        suite, seed = self._read_suite("$.suite", receipt.suite), trial.provenance.seed
        return judged_again(suite, result, base, margin=margin, seed=seed)

    def _rescored(
        self,
        path: str,
        kept: BlobRef | None,
        stored: QualityResult | None,
        *,
        beside: QualityResult | None = None,
    ) -> QualityResult | None:
        """The answers marked again; pictures `beside` those of a baseline, or else beside the ones
        that the answers themselves name."""
        if stored is None:
            return None
        if kept is None:
            raise UnreadableAt(path, "quality was measured, but the receipt names no suite")
        suite = self._read_suite(path, kept)
        try:
            if is_pictured(suite):
                return rescore_pictures(suite, stored, picture_grader(self._archive, beside))
            return self._marked(path, suite, stored)
        except (SpecError, SetupError) as error:
            raise UnreadableAt(path, f"{error.what}: {error.why}") from error

    def _marked(self, path: str, suite: Suite, stored: QualityResult) -> QualityResult:
        """Within a deadline; a suite that cannot mark is not tried on another trial's answers."""
        if suite.sha256 not in self._unmarked:
            limit_s = MARKING_S + MARKING_S_PER_ANSWER * len(stored.items)
            try:
                with deadline(limit_s):
                    return rescore(suite, stored)
            except TooSlow:
                self._unmarked[suite.sha256] = (
                    f"{len(stored.items)} answers were not marked within {limit_s:.3g} s of"
                    f" processor time: an expression in suite {suite.name!r} may have no end"
                )
            except _BROKEN as error:
                kind = type(error).__name__
                self._unmarked[suite.sha256] = (
                    f"an item of suite {suite.name!r} marks nothing: {kind}: {error}"
                )
        raise UnreadableAt(path, self._unmarked[suite.sha256], Fault.UNMARKED)

    def _read_suite(self, path: str, kept: BlobRef) -> Suite:
        if kept.sha256 not in self._suites:
            try:
                suite = unpack(Suite, self._archive.read(kept).decode("ascii"))
            except SetupError as error:
                raise UnreadableAt(path, f"{error.what}: {error.why}") from error
            except (Malformed, NewerSchema, UnicodeDecodeError) as error:
                raise UnreadableAt(path, f"this is no suite: {error}") from error
            self._suites[kept.sha256] = suite
        return self._suites[kept.sha256]

    def _fidelity(self, receipt: Receipt, index: int) -> Fidelity | None:
        trial = receipt.trials[index]
        stored = trial.fidelity
        if stored is None or trial.origin is not None:  # its reference may be of its own run
            return stored
        path = f"$.trials[{index}].readings"
        others = (t for t in receipt.trials if t.variant.id == stored.against and t.readings)
        reference = next(others, None)
        if reference is None:
            raise UnreadableAt(path, f"no trial of {stored.against} has readings to compare with")
        try:
            mine = readings_of(trial, self._archive)
            base = readings_of(reference, self._archive)
        except SetupError as error:
            raise UnreadableAt(path, f"{error.what}: {error.why}") from error
        except (Malformed, NewerSchema) as error:
            raise UnreadableAt(path, str(error)) from error
        if mine is None or base is None:
            raise UnreadableAt(path, "fidelity was measured, but the receipt names no readings")
        against = Reference(
            variant_id=reference.variant.id, engine=reference.variant.engine, readings=base
        )
        return fidelity_to(mine, against)


def _first_answers(receipt: Receipt) -> QualityResult | None:
    """What the baseline answered when it was asked."""
    asked = (t.quality for t in receipt.trials if t.variant == receipt.plan.baseline)
    return next((one for one in asked if one), None)
