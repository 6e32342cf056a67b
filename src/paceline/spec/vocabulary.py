"""The plain words that are understood, as data: phrase → what it stands for.

A phrase is matched whole, the longest first. A word that is in no phrase is an error that names
it, so a word belongs here only when it can mean nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.records.request import Comparison, Priority


class Role(StrEnum):
    """What a phrase does in its clause."""

    BREAK = "break"
    FILLER = "filler"
    PRIORITY = "priority"
    METRIC = "metric"
    STATISTIC = "statistic"
    COMPARISON = "comparison"
    BUDGET = "budget"
    FOR_THE_RUN = "for the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A role and which one of its kind."""

    role: Role
    value: str = ""


LATENCY: Final = "latency"
"""A metric word that does not say which latency."""

THROUGHPUT: Final = "throughput"
"""A metric word whose unit says whether tokens or requests are meant."""

IMAGES: Final = "images"
"""A metric word for the time of a whole picture; its median, unless another statistic is said."""

WITHIN: Final = "within"
"""A comparison, except before a share of the baseline: there it says a distance, not a limit."""

LIMIT_OR_STATISTIC: Final = frozenset({"max", "maximum"})
"""Comparisons, unless the clause has another one: `max ttft under 2 s`."""

_BREAKS: Final = (",", ";", ".", "and", "with", "but", "while", "plus", "also", "&")
_FILLERS: Final = frozenset(
    word
    for line in (
        "optimize optimise for the a an of be is are must should to keep stay please i we",
        "want need me it it's its my our give have get as at use make run model requests answers :",
    )
    for word in line.split()
)

_LEADS: Final = (
    "optimize for",
    "optimise for",
    "optimize",
    "optimise",
    "prioritize",
    "prioritise",
    "focus on",
    "priority",
    "priority :",
    "priority is",
)
_BARE_PRIORITIES: Final[Mapping[Priority, tuple[str, ...]]] = {
    Priority.LATENCY: ("latency", "speed"),
    Priority.THROUGHPUT: ("throughput",),
    Priority.COST: ("cost", "costs", "price"),
    Priority.QUALITY: ("quality", "accuracy"),
    Priority.BALANCED: ("balance", "balanced"),
}
_PRIORITIES: Final[Mapping[Priority, tuple[str, ...]]] = {
    Priority.LATENCY: (
        "fast",
        "faster",
        "fastest",
        "as fast as possible",
        "quick",
        "low latency",
        "lower latency",
        "lowest latency",
        "minimal latency",
        "minimize latency",
        "minimise latency",
        "responsive",
    ),
    Priority.THROUGHPUT: (
        "high throughput",
        "higher throughput",
        "highest throughput",
        "best throughput",
        "most throughput",
        "max throughput",
        "maximum throughput",
        "maximize throughput",
        "maximise throughput",
    ),
    Priority.COST: (
        "cheap",
        "cheaper",
        "cheapest",
        "as cheap as possible",
        "low cost",
        "lower cost",
        "lowest cost",
        "cheap per image",
        "cheaper per image",
        "cheapest per image",
        "lowest cost per image",
        "minimize cost",
        "minimise cost",
        "save money",
    ),
    Priority.QUALITY: (
        "high quality",
        "higher quality",
        "highest quality",
        "best quality",
        "maximize quality",
        "maximise quality",
        "most accurate",
    ),
    Priority.BALANCED: ("balanced", "well balanced", "a balance", "balance everything"),
}
_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "ttft": (
        "ttft",
        "time to first token",
        "time to the first token",
        "first token",
        "first token latency",
    ),
    "tpot": ("tpot", "time per output token", "time per token"),
    "itl": ("itl", "inter token latency", "time between tokens"),
    "e2e": (
        "e2e",
        "e2e latency",
        "end to end",
        "end to end latency",
        "end to end time",
        "request latency",
    ),
    "output_tokens_per_s": ("output_tokens_per_s", "output throughput", "token throughput"),
    "requests_per_s": ("requests_per_s", "request throughput", "request rate"),
    "goodput": ("goodput",),
    "quality": ("quality", "accuracy", "score"),
    "quality(mine)": ("quality(mine)", "my quality", "quality on my test set"),
    "quality(load)": ("quality(load)", "quality under load", "quality in full batches"),
    "quality(long)": (
        "quality(long)",
        "quality in long texts",
        "quality on long texts",
        "quality in long contexts",
        "long context quality",
    ),
    "cost": ("cost", "costs", "price"),
    "cold_start": ("cold_start", "cold start", "cold starts", "start up", "startup"),
    "memory": ("memory", "memory use", "memory usage", "peak memory", "ram", "vram"),
    "failed_share": ("failed_share", "failed requests", "failures", "errors", "error rate"),
    LATENCY: ("latency", "latencies", "response time", "response times"),
    THROUGHPUT: ("throughput",),
    IMAGES: ("images", "an image", "each image", "every image", "pictures", "image latency"),
}
_STATISTICS: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": ("mean", "avg", "average", "on average"),
    "p50": ("median",),
    "max": ("worst", "worst case", "slowest"),
}
_COMPARISONS: Final[Mapping[Comparison, tuple[str, ...]]] = {
    Comparison.AT_MOST: (
        "<=",
        "≤",
        "at most",
        "no more than",
        "not more than",
        "no higher than",
        "not above",
        "not over",
        "up to",
        WITHIN,
        "max",
        "maximum",
    ),
    Comparison.BELOW: (
        "<",
        "under",
        "below",
        "less than",
        "lower than",
        "fewer than",
        "cheaper than",
        "shorter than",
    ),
    Comparison.AT_LEAST: (
        ">=",
        "≥",
        "at least",
        "no less than",
        "not less than",
        "no lower than",
        "not below",
        "not under",
        "min",
        "minimum",
    ),
    Comparison.ABOVE: (">", "over", "above", "more than", "higher than", "greater than"),
}
_BUDGETS: Final = ("budget", "budget of", "run budget", "spend", "spending")
_FOR_THE_RUN: Final = ("for the run", "for this run", "per run", "a run")

RELATIVE_UNITS: Final[Mapping[str, float]] = {
    "x": 1.0,
    "x baseline": 1.0,
    "x the baseline": 1.0,
    "times baseline": 1.0,
    "times the baseline": 1.0,
    "of baseline": 1.0,
    "of the baseline": 1.0,
    "% of baseline": 0.01,
    "% of the baseline": 0.01,
    "percent of baseline": 0.01,
    "percent of the baseline": 0.01,
}
NUMBER_WORDS: Final[Mapping[str, float]] = {
    "a": 1.0,
    "an": 1.0,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "six": 6.0,
    "eight": 8.0,
    "ten": 10.0,
}
"""Read as numbers only before a unit: `under a minute`."""


def _phrases() -> Mapping[tuple[str, ...], Meaning]:
    table: dict[tuple[str, ...], Meaning] = {}

    def add(role: Role, value: str, texts: Iterable[str]) -> None:
        for text in texts:
            table[tuple(text.split())] = Meaning(role=role, value=value)

    add(Role.BREAK, "", _BREAKS)
    add(Role.FILLER, "", _FILLERS)
    for priority, bare in _BARE_PRIORITIES.items():
        led = (f"{lead} {word}" for lead in _LEADS for word in (*bare, *_PRIORITIES[priority]))
        add(Role.PRIORITY, priority, [*led, *_PRIORITIES[priority]])
    for metric, texts in _METRICS.items():
        add(Role.METRIC, metric, texts)
    for statistic, texts in _STATISTICS.items():
        add(Role.STATISTIC, statistic, texts)
    for comparison, texts in _COMPARISONS.items():
        add(Role.COMPARISON, comparison, texts)
    add(Role.BUDGET, "", _BUDGETS)
    add(Role.FOR_THE_RUN, "", _FOR_THE_RUN)
    return table


PHRASES: Final = _phrases()
LONGEST_PHRASE: Final = max(len(phrase) for phrase in PHRASES)
PRIORITY_BY_METRIC_WORD: Final[Mapping[str, Priority]] = {
    LATENCY: Priority.LATENCY,
    THROUGHPUT: Priority.THROUGHPUT,
    "cost": Priority.COST,
    "quality": Priority.QUALITY,
}
"""A clause that is nothing but one of these words names a priority."""
