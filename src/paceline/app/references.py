"""What a variant's distributions are compared with in a run.

The reference is a trial of unquantized weights on the same engine, so that the difference is what
the format costs; where there is none yet, the baseline. Also used to check a receipt.
"""

from collections.abc import Callable, Sequence
from typing import Final

from paceline.app.exams import Exams
from paceline.errors import SpecError
from paceline.plan.facts.tables import weight_format
from paceline.ports.archive import Archive
from paceline.ports.engine import Engine, GivesDistributions
from paceline.records.fidelity import Reading, Readings, unpack_readings
from paceline.records.launch import Cause
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.trial.closeness import ReadingOrder, Reference

UNQUANTIZED_BITS: Final = 16


class References:
    """Finds each trial's reference among the trials before it."""

    def __init__(
        self,
        exams: Exams,
        trials: Callable[[], Sequence[TrialRecord]],
        baseline: Variant,
        archive: Archive,
    ) -> None:
        self._exams = exams
        self._trials = trials
        self._baseline = baseline
        self._archive = archive

    def order_for(self, variant: Variant, engine: Engine) -> ReadingOrder | str | None:
        """What a trial is to read, or why it reads nothing; `None` for a run without questions."""
        if self._exams.suite is None:
            return None
        ways = engine.readings() if isinstance(engine, GivesDistributions) else ()
        if not ways:
            return f"{engine.name} gives no log probabilities"
        reference = self._reference(variant, ways)
        if reference is None and not unquantized(variant):
            return "nothing unquantized was read before it"
        way = ways[0] if reference is None else reference.readings.first.reading
        return ReadingOrder(
            variant_id=variant.id,
            engine=engine.name,
            way=way or ways[0],
            prompts=self._exams.prompts,
            bits=bits_of(variant),
            reference=reference,
            before_speed=not self._is_sound(variant),
        )

    def _is_sound(self, variant: Variant) -> bool:
        """Whether the same engine gave sound distributions with the same weights before."""
        made_of = (variant.engine, variant.format)
        return any(
            trial.fidelity is not None
            and trial.cause is Cause.FINISHED
            and (trial.variant.engine, trial.variant.format) == made_of
            for trial in self._trials()
        )

    def _reference(self, variant: Variant, ways: Sequence[Reading]) -> Reference | None:
        for trial in candidates(variant, self._trials(), self._baseline):
            readings = readings_of(trial, self._archive)
            if readings is not None and readings.first.reading in ways:
                return Reference(
                    variant_id=trial.variant.id, engine=trial.variant.engine, readings=readings
                )
        return None


def candidates(
    variant: Variant, trials: Sequence[TrialRecord], baseline: Variant
) -> Sequence[TrialRecord]:
    """Trials that `variant` can be compared with, the best first: unquantized ones of its own
    engine, in the order of measuring, then the baseline's."""
    read_twice = [trial for trial in trials if trial.readings and unquantized(trial.variant)]
    own = [trial for trial in read_twice if trial.variant.engine == variant.engine]
    return [*own, *(trial for trial in read_twice if trial.variant == baseline)]


def readings_of(trial: TrialRecord, archive: Archive) -> Readings | None:
    """What a trial read, from beside its record. Raises SetupError when that is gone."""
    return None if trial.readings is None else unpack_readings(archive.read(trial.readings))


def unquantized(variant: Variant) -> bool:
    """Whether its weights are stored in 16 bits or more."""
    return (bits_of(variant) or 0.0) >= UNQUANTIZED_BITS


def bits_of(variant: Variant) -> float | None:
    """Of a weight; `None` for a format that no table knows."""
    try:
        return weight_format(variant.format).bits_linear
    except SpecError:
        return None
