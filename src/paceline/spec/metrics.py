"""What can be constrained, as data: metrics, their statistics, units and sensible limits.

Covers the vocabulary of the constraint grammar. How a figure is measured is in
`docs/concepts/metrics.md`; the name under which a trial stores it is in `records.metric_names`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.records.metric_names import STATISTICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What one of a written unit is in the base unit that constraints are held in."""

    base: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric of the grammar.

    `units` is keyed by the written unit in lower case, the base unit of a relative limit first.
    `ceilings` is the greatest value that can occur, by base unit. `unit_free` metrics may be
    written without a unit and are then in their base unit.
    """

    name: str
    meaning: str
    units: Mapping[str, Unit]
    less_is_better: bool
    statistics: tuple[str, ...] = ()
    relative: bool = True
    unit_free: bool = False
    zero_makes_sense: bool = False
    ceilings: Mapping[str, float] | None = None

    @property
    def base_unit(self) -> str:
        """The unit that a relative limit is about."""
        return next(iter(self.units.values())).base

    @property
    def shown_units(self) -> tuple[str, ...]:
        """One spelling per unit, for messages and the reference."""
        shown: dict[Unit, str] = {}
        for written, unit in self.units.items():
            shown.setdefault(unit, written)
        return tuple("GiB" if written == "gib" else written for written in shown.values())


def _spelled(base: str, spellings: Mapping[str, float]) -> dict[str, Unit]:
    return {
        written: Unit(base=base, factor=factor)
        for group, factor in spellings.items()
        for written in group.split("|")
    }


_TIMES_S: Final = {
    "ms|msec|millisecond|milliseconds": 1e-3,
    "s|sec|secs|second|seconds": 1.0,
    "min|mins|minute|minutes|m": 60.0,
    "us|µs|μs|microsecond|microseconds": 1e-6,
    "h|hour|hours": 3600.0,
}
TIMES_MS: Final = _spelled("ms", {group: seconds * 1e3 for group, seconds in _TIMES_S.items()})
TIMES_S: Final = _spelled("s", _TIMES_S)
TOKEN_RATES: Final = _spelled(
    "tokens/s",
    {
        "tokens/s|tokens/sec|tokens/second|token/s|tok/s|tok/sec|t/s|tps": 1.0,
        "tokens/min|tokens/minute|tok/min": 1 / 60,
    },
)
REQUEST_RATES: Final = _spelled(
    "requests/s",
    {
        "requests/s|requests/sec|requests/second|request/s|req/s|req/sec|rps|qps": 1.0,
        "requests/min|requests/minute|req/min|rpm": 1 / 60,
    },
)
COSTS: Final = (
    _spelled("usd/mtok", {"usd/mtok|usd/mtokens|usd/m tokens|usd/million tokens": 1.0})
    | _spelled("usd/request", {"usd/request|usd/req": 1.0})
    | _spelled("usd/month", {"usd/month|usd/mo|usd monthly": 1.0})
    | _spelled("usd/image", {"usd/image": 1.0})
)
MEMORY: Final = _spelled(
    "GiB", {"gib": 1.0, "mib": 2**-10, "gb": 1e9 / 2**30, "mb": 1e6 / 2**30}
) | _spelled("%", {"%|percent": 1.0})
SHARES: Final = _spelled("", {"": 1.0, "%|percent": 0.01})


def _score(name: str, meaning: str) -> MetricSpec:
    """A share of right answers."""
    return MetricSpec(
        name=name,
        meaning=meaning,
        units=SHARES,
        less_is_better=False,
        unit_free=True,
        ceilings={"": 1.0},
    )


def _latency(name: str, meaning: str) -> MetricSpec:
    return MetricSpec(
        name=name, meaning=meaning, units=TIMES_MS, less_is_better=True, statistics=STATISTICS
    )


_ALL: Final = (
    _latency("ttft", "time to first token: first output chunk − request sent"),
    _latency("tpot", "time per output token after the first: (e2e − ttft) / (tokens − 1)"),
    _latency("itl", "inter-token latency: gap between successive output chunks"),
    _latency("e2e", "end to end: last output chunk − request sent"),
    MetricSpec(
        name="output_tokens_per_s",
        meaning="output tokens of all requests per second of the steady window",
        units=TOKEN_RATES,
        less_is_better=False,
        unit_free=True,
    ),
    MetricSpec(
        name="requests_per_s",
        meaning="answered requests per second of the steady window",
        units=REQUEST_RATES,
        less_is_better=False,
        unit_free=True,
    ),
    MetricSpec(
        name="goodput",
        meaning="requests per second that meet every latency constraint; failures are misses",
        units=REQUEST_RATES,
        less_is_better=False,
        unit_free=True,
    ),
    _score("quality", "composite score of the built-in or the model's own suite, 0–1"),
    _score("quality(mine)", "score of the test set that you gave, 0–1"),
    _score(
        "quality(load)",
        "score of items of the suite that were asked again in full batches, 0–1",
    ),
    _score(
        "quality(long)",
        "score of codes hidden in texts as long as the workload's prompts, 0–1",
    ),
    MetricSpec(
        name="cost",
        meaning="price per unit of work, or of one deployment always on for a month",
        units=COSTS,
        less_is_better=True,
    ),
    MetricSpec(
        name="cold_start",
        meaning="process start to the first answered request, everything cached",
        units=TIMES_S,
        less_is_better=True,
    ),
    MetricSpec(
        name="memory",
        meaning="peak memory of the engine's processes, or its share of the accelerator's",
        units=MEMORY,
        less_is_better=True,
        ceilings={"%": 100.0},
    ),
    MetricSpec(
        name="failed_share",
        meaning="failed requests as a share of all",
        units=SHARES,
        less_is_better=True,
        relative=False,
        unit_free=True,
        zero_makes_sense=True,
        ceilings={"": 1.0},
    ),
)
METRICS: Final[Mapping[str, MetricSpec]] = {spec.name: spec for spec in _ALL}
