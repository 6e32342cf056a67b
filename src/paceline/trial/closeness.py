"""Fidelity within a run: what a trial reads of the distributions, and what it is compared with.

Every variant is compared with one reference: an unquantized variant of the same engine, or else the
baseline. The reference itself is read twice, which shows what its own arithmetic moves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from paceline.records.fidelity import Fidelity, FidelityReading, Reading, Readings
from paceline.records.quality import Stopped
from paceline.trial.fidelity import compare_fidelity
from paceline.trial.garbage import broken_distributions

Read = Callable[[Reading], FidelityReading]
"""Reads the endpoint in one way; takes seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a variant is compared with."""

    variant_id: str
    engine: str
    readings: Readings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOrder:
    """What one trial is to read. Without a `reference` it becomes one.

    `bits` are those of a weight, `None` for a format that nobody knows. `before_speed` reads before
    anything is measured; a checkpoint that was sound in another trial can wait until it is asked.
    """

    variant_id: str
    engine: str
    way: Reading
    prompts: tuple[str, ...]
    bits: float | None
    reference: Reference | None
    before_speed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """What was read and found; `because` says why there is no fidelity, `garbage` why the variant
    must be broken."""

    readings: Readings | None = None
    fidelity: Fidelity | None = None
    because: str | None = None
    garbage: Stopped | None = None


def read_closely(order: ReadingOrder, read: Read) -> Closeness:
    """Read the endpoint, twice if it is the reference, and compare."""
    first = read(order.way)
    if first.reading is None:
        return Closeness(because=first.unavailable)
    again = read(order.way) if order.reference is None else None
    readings = Readings(first=first, again=again)
    reference = order.reference or Reference(
        variant_id=order.variant_id, engine=order.engine, readings=readings
    )
    fidelity = fidelity_to(readings, reference)
    if fidelity is None:
        return Closeness(
            readings=readings,
            because=f"{order.engine} cuts the texts into other tokens than {reference.variant_id}",
        )
    # Between two engines a difference is no proof of damage: each has kernels of its own.
    comparable = order.engine == reference.engine
    garbage = broken_distributions(fidelity, order.bits) if comparable else None
    return Closeness(readings=readings, fidelity=fidelity, garbage=garbage)


def fidelity_to(mine: Readings, reference: Reference) -> Fidelity | None:
    """Of a trial's readings to the reference's; of the reference, its second to its first.

    `None` where nothing can be compared. A receipt is checked with it, too.
    """
    base = reference.readings
    reading = mine.again if mine == base and mine.again is not None else mine.first
    if not _aligned(reading, base.first):
        return None
    found = compare_fidelity(reading, base.first, base.again)
    return None if found is None else replace(found, against=reference.variant_id)


def _aligned(mine: FidelityReading, base: FidelityReading) -> bool:
    """Whether both were read over the same tokens, where the tokens were given."""
    if mine.reading is not Reading.FORCED:
        return True
    theirs = {text.text_id: [token.text for token in text.tokens] for text in base.texts}
    return all(
        [token.text for token in text.tokens] == theirs[text.text_id]
        for text in mine.texts
        if text.text_id in theirs
    )
