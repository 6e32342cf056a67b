"""A measured quantity: its value, its interval and what it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % interval, `lo <= hi`, in the unit of the value it belongs to."""

    lo: float
    hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """Summary of one sample; all values in the sample's unit, `None` where undefined.

    `ci95` is keyed by statistic (`mean`, `p50`, `p90`, `p95`, `p99`); an entry is `None` when `n`
    cannot support an interval for it.
    """

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    n: int
    ci95: Mapping[str, Interval | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of a trial, as it appears in `metrics` of the JSON contract."""

    value: float
    unit: str
    ci95: Interval | None
    n: int


class Verdict(StrEnum):
    """Three values: what the interval says about a constraint, and that it may say nothing."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNRESOLVED = "unresolved"
