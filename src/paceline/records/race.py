"""Where the variants of a run stand while it is still measuring."""

from dataclasses import dataclass

from paceline.records.measurement import Verdict
from paceline.records.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the trials of one variant say of it so far.

    `score` is the natural logarithm of the objective, turned so that more is better; `low` and
    `high` bound it as measured within its launches. All three are `None` where the objective has
    no value, the bounds alone where nothing is known of its noise. `complete` tells that at least
    one of its `launches` went through the whole window, `doubted` that its figures cannot be
    trusted (a busy machine or client); where that is all, `verdict` is a pass all the same.
    """

    variant: Variant
    verdict: Verdict
    score: float | None
    low: float | None
    high: float | None
    complete: bool
    launches: int
    doubted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A prediction of one variant's score, as in `Standing`, with its standard deviation."""

    variant_id: str
    score: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a search will take, in seconds, for a plan of so many `variants`.

    `least_s` is the baseline alone, `likely_s` the search as it usually goes, `most_s` every
    variant whole with every repeat. `seen` tells whether the baseline's length was measured
    before, on this machine. `usd_per_hour` is of the dearest variant, `None` where one is unknown.
    """

    least_s: float
    likely_s: float
    most_s: float
    variants: int
    seen: bool
    usd_per_hour: float | None = None
