"""Looks that the race owes: one short launch on each axis whose effect nothing foretells.

A guess may leave out what is like something measured. It may not leave out a way of guessing ahead
before its acceptance is known: that is a property of the workload, and no roofline has it. Nor the
first variant of an engine in 16, 8 or 4 bits where the predictor cannot tell its speed within a
factor of two: kernels of one width differ more between engines than widths do; unless the engine is
far behind in two widths already.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from paceline.errors import SpecError
from paceline.plan.facts import tables
from paceline.plan.search.estimate import expected_s
from paceline.records.launch import Cause
from paceline.records.metric_names import SPECULATION_MEAN_LENGTH
from paceline.records.race import Outlook, Standing
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant

TELLING_SD: Final = math.log(2.0) / 1.96
"""A prediction with a smaller deviation tells a speed within a factor of two."""
WIDTHS: Final = (("4 bits", 3.5, 5.0), ("8 bits", 7.5, 9.0), ("16 bits", 15.5, 16.5))
"""The widths that are owed a look, from and to how many bits per weight, scales included."""
BEHIND: Final = math.log(3.0)
"""An engine so far behind the best in two widths is owed no look in the third: with the same
server around them, kernels of a third width do not make up for that."""
PATIENCE: Final = 2.0
"""How many times as long as the quickest the best variant may take for a look at a way of guessing
ahead: acceptance belongs to the text, and any engine that has the method tells it."""


def owed(
    fresh: Sequence[Variant],
    trials: Sequence[TrialRecord],
    standings: Sequence[Standing],
    outlooks: Sequence[Outlook],
) -> Mapping[Variant, str]:
    """Variants of `fresh`, which were not launched yet, to look at before knobs are turned, and
    why; those that take the least time first, so that a small budget buys most of them. Widths come
    before ways of guessing ahead, each on the best variant so far that has it and starts soon."""
    looks = _widths(fresh, trials, standings, outlooks) | _methods(fresh, trials, standings)
    return dict(sorted(looks.items(), key=lambda look: expected_s(look[0], trials)))


def mean_lengths(trials: Sequence[TrialRecord]) -> Mapping[str, float]:
    """Tokens that one check yielded on this workload, per way of guessing ahead: its most.

    No check is cheaper than a plain pass, so a variant gains no more by guessing than this factor.
    """
    found: dict[str, float] = {}
    for trial in trials:
        method, length = trial.variant.speculation, trial.metrics.get(SPECULATION_MEAN_LENGTH)
        if method is not None and length is not None:
            found[method] = max(found.get(method, 1.0), length.value)
    return found


def _widths(
    fresh: Sequence[Variant],
    trials: Sequence[TrialRecord],
    standings: Sequence[Standing],
    outlooks: Sequence[Outlook],
) -> dict[Variant, str]:
    behind = _behind(standings)
    expected = {outlook.variant_id: outlook for outlook in outlooks}
    seen = {_kind(trial.variant) for trial in trials if _loaded(trial)}
    found: dict[object, Variant] = {}
    for variant in sorted(fresh, key=lambda v: -_score(expected.get(v.id))):
        outlook = expected.get(variant.id)
        untold = outlook is None or outlook.sd > TELLING_SD
        plain = not variant.knobs and variant.speculation is None
        due = _width(variant) is not None and _kind(variant) not in seen
        if plain and untold and due and _server(variant) not in behind:
            found.setdefault(_kind(variant), variant)
    return {v: f"{v.engine} was not seen in {_width(v)} yet" for v in found.values()}


def _behind(standings: Sequence[Standing]) -> set[object]:
    """Engines on accelerators that were seen in two widths and are far behind in both."""
    scores = {s.variant: s.score for s in standings if s.score is not None}
    best = max(scores.values(), default=0.0)
    near = {_server(v) for v, score in scores.items() if score >= best - BEHIND}
    widths = Counter(server for server, _ in {(_server(v), _width(v)) for v in scores})
    return {server for server, count in widths.items() if count > 1 and server not in near}


def _methods(
    fresh: Sequence[Variant], trials: Sequence[TrialRecord], standings: Sequence[Standing]
) -> dict[Variant, str]:
    scores = {s.variant: s.score for s in standings if s.score is not None}
    known = {trial.variant.speculation for trial in trials if _loaded(trial)}
    died = {(t.variant.engine, t.variant.speculation) for t in trials if not _loaded(t)}
    by_method: dict[str, list[Variant]] = {}
    for variant in fresh:
        method = variant.speculation
        if method is None or method in known or (variant.engine, method) in died:
            continue
        if _without(variant) in scores:
            by_method.setdefault(method, []).append(variant)
    found = {}
    for method, having in by_method.items():
        quick = PATIENCE * min(_takes_s(variant, trials) for variant in having)
        near = [variant for variant in having if _takes_s(variant, trials) <= quick]
        best = max(near, key=lambda variant: scores[_without(variant)])
        found[best] = f"how often {method} guesses right here is not known yet"
    return found


def _takes_s(variant: Variant, trials: Sequence[TrialRecord]) -> float:
    return expected_s(_without(variant), trials)


def _without(variant: Variant) -> Variant:
    return replace(variant, speculation=None)


def _loaded(trial: TrialRecord) -> bool:
    return trial.cause is Cause.FINISHED


def _server(variant: Variant) -> object:
    return variant.accelerator, variant.count, variant.engine


def _kind(variant: Variant) -> object:
    return _server(variant), _width(variant)


def _width(variant: Variant) -> str | None:
    """`4 bits` and the like; `None` for other widths and formats whose width is not known."""
    try:
        bits = tables.weight_format(variant.format).bits_linear
    except SpecError:
        return None
    return next((name for name, least, most in WIDTHS if least <= bits < most), None)


def _score(outlook: Outlook | None) -> float:
    return -math.inf if outlook is None else outlook.score
