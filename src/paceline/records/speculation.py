"""What speculative decoding did in a load test, as the engine counted it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationCounts:
    """Growth of an engine's counters over a load.

    `drafts` are the passes of the model that checked proposed tokens, `drafted` the tokens
    proposed, `accepted` those of them that the model would have written too. `generated` are all
    tokens that were written, `None` where the engine does not count them.
    """

    drafts: float
    drafted: float
    accepted: float
    generated: float | None = None
