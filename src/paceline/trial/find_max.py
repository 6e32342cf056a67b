"""The search for the highest load that meets the constraints: probes done → next probe or answer.

Pure, and a function of the list of probes alone, so that a search can be replayed from its
evidence. It doubles until something stops it and then bisects. Only a probe that surely passed or
surely failed bounds the answer; one that stayed unresolved, or in which the client was the limit,
is never a bound. Levels are requests in flight (whole numbers) or requests/s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

PRECISION: Final = 0.05
"""Pass and fail this near to each other (relative) are the answer; or one request in flight."""
AROUND_UNRESOLVED: Final = 2
"""So many times further apart they may be when what lies between stayed unresolved: limits are
crossed gradually, and in the middle of the crossing no length of probe decides."""
LONGER: Final = 3
MOST_LENGTH: Final = 9
"""An unresolved probe is repeated `LONGER` times as long, up to `MOST_LENGTH` times the first
length: few looks at growing evidence, because each look is another chance to err."""
CLIENT_ATTEMPTS: Final = 2
"""The client may have been disturbed by chance, so its bound must show twice."""


class ProbeVerdict(StrEnum):
    """What one probe says about its level."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNRESOLVED = "unresolved"
    CLIENT_BOUND = "client_bound"


class MaxLoadVerdict(StrEnum):
    """What a search found out."""

    FOUND = "found"
    LOWER_BOUND = "lower_bound"
    CLIENT_BOUND = "client_bound"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look. `lowest` and `highest` are never left.

    `whole` levels are requests in flight. `lowest_is_idle` tells that there is no lower load
    worth the name, so that failing there means that no load at all will do.
    """

    lowest: float
    highest: float | None
    start: float
    whole: bool
    lowest_is_idle: bool
    most_probes: int
    precision: float = PRECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A finished probe. `length` is a multiple of the shortest one."""

    level: float
    length: int
    verdict: ProbeVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class NextProbe:
    """Measure this."""

    level: float
    length: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLoad:
    """The answer. `level` is the highest one that passed, `None` when none did.

    With `FOUND` it is the maximum (0: not even the lowest load will do), otherwise the maximum is
    at least that. `fails_at` is the lowest level that surely fails.
    """

    verdict: MaxLoadVerdict
    level: float | None
    fails_at: float | None
    because: str


def next_probe(search: Search, probes: Sequence[Probed]) -> NextProbe | MaxLoad:
    """What to do after `probes`, in the order in which they were made."""
    if not probes:
        return NextProbe(level=search.start, length=1, because="the first level")
    known = _Known(search, probes)
    step = _again(probes) or _settle(search, known)
    if isinstance(step, NextProbe) and len(probes) >= search.most_probes:
        return known.answer_at_limit()
    return step


class _Known:
    """What the probes say, by level; a later probe of a level replaces an earlier one."""

    def __init__(self, search: Search, probes: Sequence[Probed]) -> None:
        self._search = search
        self._last = {probe.level: probe.verdict for probe in probes}
        self.passed = max(self._levels(ProbeVerdict.PASS), default=None)
        self.failed = min(self._levels(ProbeVerdict.FAIL), default=None)

    @property
    def lowest_tried(self) -> float:
        return min(self._last)

    def blocks_above(self, level: float) -> list[float]:
        """Levels above that did not pass, lowest first."""
        return sorted(tried for tried in self._last if tried > level)

    def verdict(self, level: float) -> ProbeVerdict:
        return self._last[level]

    def answer(self, verdict: MaxLoadVerdict, because: str) -> MaxLoad:
        return MaxLoad(verdict=verdict, level=self.passed, fails_at=self.failed, because=because)

    def answer_at_limit(self) -> MaxLoad:
        """Something is still open, but no probe is left."""
        limit = f"{self._search.most_probes} probes are the limit"
        if self.passed is None:
            return self.answer(MaxLoadVerdict.UNRESOLVED, f"{limit}; no level passed in them")
        blocks = self.blocks_above(self.passed)
        above = self.told(blocks[0]) if blocks else "nothing above it was tried"
        because = f"{limit}; {self.passed:.4g} passes, {above}"
        return self.answer(MaxLoadVerdict.LOWER_BOUND, because)

    def found(self, passed: float, failed: float) -> MaxLoad:
        because = f"{passed:.4g} passes and {failed:.4g} fails"
        return self.answer(MaxLoadVerdict.FOUND, because)

    def told(self, level: float) -> str:
        words = {
            ProbeVerdict.PASS: "passes",
            ProbeVerdict.FAIL: "fails",
            ProbeVerdict.UNRESOLVED: "stayed unresolved",
            ProbeVerdict.CLIENT_BOUND: "was limited by the client",
        }
        return f"{level:.4g} {words[self.verdict(level)]}"

    def _levels(self, verdict: ProbeVerdict) -> list[float]:
        return [level for level, last in self._last.items() if last is verdict]


def _again(probes: Sequence[Probed]) -> NextProbe | None:
    """The last level once more, when that may still decide it."""
    last = probes[-1]
    if last.verdict is ProbeVerdict.UNRESOLVED and last.length < MOST_LENGTH:
        because = f"unresolved, so {LONGER} times as long"
        return NextProbe(level=last.level, length=last.length * LONGER, because=because)
    same = [p for p in probes if p.level == last.level and p.verdict is last.verdict]
    if last.verdict is ProbeVerdict.CLIENT_BOUND and len(same) < CLIENT_ATTEMPTS:
        because = "the client was the limit; once more, it may have been disturbed"
        return NextProbe(level=last.level, length=last.length, because=because)
    return None


def _settle(search: Search, known: _Known) -> NextProbe | MaxLoad:
    if known.passed is None:
        return _below(search, known)
    return _above(search, known, known.passed)


def _below(search: Search, known: _Known) -> NextProbe | MaxLoad:
    """Nothing passed yet: halve, down to the lowest level."""
    lowest = known.lowest_tried
    if lowest > search.lowest:
        level = _whole(search, max(search.lowest, lowest / 2))
        return NextProbe(level=level, length=1, because=f"{known.told(lowest)}, so lower")
    match known.verdict(lowest):
        case ProbeVerdict.CLIENT_BOUND:
            return known.answer(MaxLoadVerdict.CLIENT_BOUND, f"already {known.told(lowest)}")
        case ProbeVerdict.FAIL if search.lowest_is_idle:
            because = f"no load meets the constraints: even the lowest, {lowest:.4g}, fails"
            return MaxLoad(
                verdict=MaxLoadVerdict.FOUND, level=0.0, fails_at=lowest, because=because
            )
        case ProbeVerdict.FAIL:
            because = f"the lowest level allowed, {lowest:.4g}, fails; the maximum lies below it"
            return known.answer(MaxLoadVerdict.UNRESOLVED, because)
        case _:
            return known.answer(MaxLoadVerdict.UNRESOLVED, f"the lowest level {known.told(lowest)}")


def _above(search: Search, known: _Known, passed: float) -> NextProbe | MaxLoad:
    """Something passed: double until something stops it, then close in on what does."""
    blocks = known.blocks_above(passed)
    if not blocks:
        if search.highest is not None and passed >= search.highest:
            because = f"the highest level allowed, {passed:.4g}, passes"
            return known.answer(MaxLoadVerdict.LOWER_BOUND, because)
        return _doubled(search, passed, f"{passed:.4g} passes, so twice that")
    block = blocks[0]
    if not _close(search, passed, block):
        return _between(search, passed, block, f"{passed:.4g} passes, {known.told(block)}")
    match known.verdict(block):
        case ProbeVerdict.FAIL:
            return known.found(passed, block)
        case ProbeVerdict.CLIENT_BOUND:
            because = f"{passed:.4g} passes and {known.told(block)}; what the server can is open"
            return known.answer(MaxLoadVerdict.CLIENT_BOUND, because)
        case _:
            return _past_unresolved(search, known, passed, blocks)


def _past_unresolved(
    search: Search, known: _Known, passed: float, blocks: list[float]
) -> NextProbe | MaxLoad:
    """An unresolved level is no bound: look beyond it, as far as something is still to be seen."""
    for under, over in pairwise(blocks):
        if known.verdict(under) is not ProbeVerdict.UNRESOLVED:
            break
        if not _close(search, under, over):
            return _between(search, under, over, f"{known.told(under)}, {known.told(over)}")
    top = blocks[-1]
    all_open = all(known.verdict(block) is ProbeVerdict.UNRESOLVED for block in blocks)
    if all_open and (search.highest is None or top < search.highest):
        return _doubled(search, top, f"{known.told(top)}, so beyond it")
    decided = next((b for b in blocks if known.verdict(b) is not ProbeVerdict.UNRESOLVED), top)
    failed = known.verdict(decided) is ProbeVerdict.FAIL
    if failed and _close(search, passed, decided, times=AROUND_UNRESOLVED):
        return known.found(passed, decided)
    told = "" if decided == blocks[0] else f", {known.told(decided)}"
    because = f"{passed:.4g} passes, {known.told(blocks[0])}{told}"
    return known.answer(MaxLoadVerdict.UNRESOLVED, because)


def _doubled(search: Search, level: float, because: str) -> NextProbe:
    higher = 2 * level if search.highest is None else min(2 * level, search.highest)
    return NextProbe(level=higher, length=1, because=because)


def _between(search: Search, low: float, high: float, because: str) -> NextProbe:
    """The middle: arithmetic for whole levels, geometric for rates."""
    level = (low + high) // 2 if search.whole else math.sqrt(low * high)
    return NextProbe(level=level, length=1, because=because)


def _close(search: Search, low: float, high: float, *, times: int = 1) -> bool:
    """Whether nothing worth a probe lies between."""
    gap = high - low
    return gap <= times * search.precision * low or (search.whole and gap <= times)


def _whole(search: Search, level: float) -> float:
    return float(math.floor(level)) if search.whole else level
