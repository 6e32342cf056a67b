"""What a run is going to try, and what it is not."""

from collections.abc import Mapping
from dataclasses import dataclass

from paceline.records.measurement import Interval
from paceline.records.variant import Rejection, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedMetric:
    """A figure nobody measured. `band90` held the truth for 90 % of deployments left out whole."""

    value: float
    unit: str
    band90: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a variant should do under the request's load, said before it is launched.

    `metrics` keys are names of the JSON contract. `requests_at_most` is how many requests of full
    length fit in memory at once. `local_trials` counts the trials of this machine that the
    figures were corrected with.
    """

    variant_id: str
    metrics: Mapping[str, PredictedMetric]
    requests_at_most: int
    local_trials: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every variant that could exist is in one of the two lists.

    `baseline` is the first of `variants`: measured first, always. `predictions` has those variants
    of either list that the predictor can speak of.
    """

    baseline: Variant
    variants: tuple[Variant, ...]
    rejected: tuple[Rejection, ...]
    predictions: tuple[Predicted, ...] = ()
