"""The order of the variants, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from paceline.records.fidelity import Fidelity
from paceline.records.image import ImageFacts
from paceline.records.measurement import Metric, Verdict
from paceline.records.quality import QualityComparison
from paceline.records.request import Constraint
from paceline.records.variant import Rejection, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintVerdict:
    """What a measurement says about one constraint.

    `value` is in the constraint's base unit (a ratio when it is relative) and `None` when it was
    not measurable. `margin` is the distance to the limit as a share of the limit, positive on
    the passing side.
    """

    constraint: Constraint
    verdict: Verdict
    value: float | None
    margin: float | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One measured variant with everything that decides its place.

    `rank` is 1-based and `None` for a variant that fails a constraint. `objective` is the
    priority's metric, `better` tells its direction.
    """

    variant: Variant
    metrics: Mapping[str, Metric]
    verdicts: tuple[ConstraintVerdict, ...]
    quality: QualityComparison | None
    objective: Metric | None
    trials: int
    rank: int | None
    chips: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fidelity: Fidelity | None = None
    """To the run's reference; `None` with the reason beside it."""
    fidelity_because: str | None = None
    under_load: QualityComparison | None = None
    """The variant in full batches against itself before; `None` unless asked for."""
    long_context: QualityComparison | None = None
    """Against the baseline in long texts; `None` unless asked for."""
    inspected: ImageFacts | None = None
    """What the last launch of an image model was seen to have inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What would help when nothing satisfies: the binding constraint, the nearest variant.

    `relaxed` is the least change of `constraint` alone at which `nearest_variant` passes, in the
    formal grammar, and `relaxed_by` that change as a share of the limit (positive is a higher
    limit); `None` where no such limit is known.
    """

    text: str
    constraint: str | None = None
    nearest_variant: str | None = None
    relaxed: str | None = None
    relaxed_by: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """`ranked` is best first; failing variants follow, ordered by how near they came.

    `winner` is `None` when no variant passes or is unresolved on every constraint. `formula` says
    how the objective is computed, in words a user can check.
    """

    baseline: str
    winner: str | None
    tied_with: tuple[str, ...]
    ranked: tuple[Ranked, ...]
    rejected: tuple[Rejection, ...]
    pareto: tuple[str, ...]
    advice: tuple[Advice, ...]
    formula: str
