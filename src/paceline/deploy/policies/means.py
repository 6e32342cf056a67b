"""Means over the last seconds of a window, and counts from them."""

import math
from typing import Final

from paceline.stats import Series

ROUNDING: Final = 1e-9
"""So that 48 requests at 24 each are two replicas in floating point too."""


def mean_of_last(values: Series, seconds: float) -> float:
    """Over the last `seconds` buckets, or over what there is; 0 without any."""
    part = values[-int(seconds) :]
    return float(sum(part)) / len(part) if len(part) else 0.0


def replicas_for(load: float, per_replica: float) -> int:
    """The fewest that carry `load` at `per_replica` each."""
    return math.ceil(load / per_replica - ROUNDING)
