"""What the user asked, after it was understood: model, workload, constraints, priority."""

import operator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.records.image import ImageLoad, Mode
from paceline.records.measurement import Verdict
from paceline.records.variant import Variant
from paceline.units import Seconds, Usd

MOST_SEED: Final = 2**31 - 1
"""What every engine takes as the seed of a request; the least is 0."""


class Priority(StrEnum):
    """The one dimension that orders the variants which meet every constraint."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    COST = "cost"
    QUALITY = "quality"
    BALANCED = "balanced"


class Beside(StrEnum):
    """What may be asked besides the suite, on request."""

    LOAD = "under-load"
    """Items again in full batches: whether answers change."""
    CONTEXT = "long-context"
    """Codes to be found in texts of the workload's length."""


class Comparison(StrEnum):
    """The operators of the constraint grammar."""

    AT_MOST = "<="
    BELOW = "<"
    AT_LEAST = ">="
    ABOVE = ">"

    @property
    def wants_less(self) -> bool:
        return self in (Comparison.AT_MOST, Comparison.BELOW)

    def holds(self, value: float, limit: float) -> bool:
        """Whether `value OP limit` is true."""
        return bool(OPERATORS[self](value, limit))

    def verdict(self, lo: float, hi: float, limit: float) -> Verdict:
        """What an interval says: the whole of it on one side of the limit, or unresolved."""
        held = self.holds(lo, limit), self.holds(hi, limit)
        if all(held):
            return Verdict.PASS
        return Verdict.UNRESOLVED if any(held) else Verdict.FAIL


OPERATORS: Final = {
    Comparison.AT_MOST: operator.le,
    Comparison.BELOW: operator.lt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.ABOVE: operator.gt,
}
"""What each compares with: numbers, or a whole array with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`METRIC [STATISTIC] OP VALUE[UNIT]`, the value held in the metric's base unit.

    `statistic` is `mean`, `p50` … `p99`, `max`, or `None` for a metric with one reading.
    `unit` is the base unit: `ms`, `s`, `tokens/s`, `requests/s`, `usd/mtok`, `usd/request`,
    `usd/month`, `%`, or `""` for a share. A `relative` limit is a factor of the baseline (`0.97x`).
    """

    metric: str
    statistic: str | None
    comparison: Comparison
    limit: float
    unit: str
    relative: bool = False

    @property
    def text(self) -> str:
        """The constraint in the formal grammar."""
        unit = "x" if self.relative else self.unit
        space = " " if "/" in unit else ""
        words = [self.metric, self.statistic, self.comparison, f"{self.limit:.12g}{space}{unit}"]
        return " ".join(word for word in words if word)

    def margin(self, value: float | None) -> float | None:
        """How far a value is from the limit, as a share of it; positive where the limit holds."""
        if value is None or self.limit == 0:
            return None
        share = (self.limit - value) / abs(self.limit)
        return share if self.comparison.wants_less else -share


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Arrivals and lengths of one load; closed loop when `rate_rps` is `None`.

    Lengths are in tokens (0 for images); one measured window ends after
    `duration_s`, or after `max_requests` when that is sooner.
    """

    name: str
    concurrency: int
    rate_rps: float | None
    arrivals: str
    input_tokens: int
    output_tokens: int
    shared_prefix_tokens: int
    duration_s: Seconds
    max_requests: int | None
    image: ImageLoad | None = None
    """Set for a load of image requests, `None` for one of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Hard limits of a run; `None` is no limit."""

    seconds: Seconds | None = None
    usd: Usd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePrice:
    """What an hour of one such accelerator is counted at, and by whose word."""

    accelerator: str
    usd_per_hour: float
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One optimization as understood. `model` is what the user typed; empty tuples mean all."""

    model: str
    pipeline: str
    priority: Priority
    constraints: tuple[Constraint, ...]
    workload: Workload
    engines: tuple[str, ...]
    formats: tuple[str, ...]
    hardware: tuple[str, ...]
    budget: Budget
    price_usd_per_hour: float | None
    """Of one accelerator of any kind, as the user gave it; `None`: see `prices`."""
    seed: int
    price_source: str | None = None
    """Of runs of earlier builds, whose one price came from a table."""
    quality_items: int | None = None
    """How many items of the suite to ask; `None` is all of them."""
    suite: str | None = None
    """Name or file of the suite; `None` is the model's own, or else the standard one."""
    own_suite: str | None = None
    """File of the user's own test set, which `quality(mine)` is about."""
    draft: str | None = None
    """A small model with the same vocabulary that guesses ahead, as the user named it."""
    quality_share: float = 0.25
    """The most of a trial's time that its quality part may take; 1 is no limit."""
    beside: tuple[Beside, ...] = ()
    """What is asked besides the suite."""
    mode: Mode | None = None
    """For image models: what the user wants who does not know what steps are."""
    accept_license: bool = False
    """The user has accepted by hand the terms of a model that is not free for commercial use."""
    prices: tuple[DevicePrice, ...] = ()
    """By accelerator, where no one price was given for all; those without one are not in it."""

    def price_of(self, accelerator: str) -> float | None:
        """USD per hour of one such accelerator; `None` when neither user nor table knows it."""
        if self.price_usd_per_hour is not None:
            return self.price_usd_per_hour
        own = (price.usd_per_hour for price in self.prices if price.accelerator == accelerator)
        return next(own, None)

    def usd_per_hour(self, variant: Variant) -> float | None:
        """Of all devices of a variant together."""
        price = self.price_of(variant.accelerator)
        return None if price is None else price * variant.count
