"""What the variants of one run are asked, and when the asking stops."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from paceline.app.registry import adapter
from paceline.errors import Code, SpecError
from paceline.ports.quality import ProgramScorer, StopRule, Suites
from paceline.records.launch import Cause
from paceline.records.model import Model
from paceline.records.quality import Item, QualityResult, Scorer, Split, Suite
from paceline.records.request import Beside, Priority, Request
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.trial.asking import LOADED_ITEMS
from paceline.trial.garbage import garbage_rule
from paceline.trial.images.garbage import picture_garbage_rule
from paceline.trial.images.grading import is_pictured
from paceline.trial.sequential import PairedRule, quality_margin

STANDARD: Final = "standard"

BASELINE_STRETCH: Final = 0.5
"""Of its trial's time that the baseline may be asked while it has fewer items than a verdict needs:
every variant is compared on the items that it was asked, and it is often the slowest of all."""
NEEDED: Final = 3.6
"""Items per margin that a verdict needs. Of n pairs without a loss the 95 % interval ends some 3/n
below (Hanley and Lippman-Hand 1983); with 100 items 0.97 was just missed, with 110 it was passed
whatever the resampling. Room for a loss (5 per margin) took the reference model's baseline 30 % of
its trial, more than the share that quality may take."""
PICTURES: Final = "pictures"
"""For an image model that brings no suite along."""

FIDELITY_PROMPTS: Final = 16
"""Prompts that distributions are read over beside the fixed texts: about half a second."""

PROMPT_CHARS: Final = 2000
"""About 500 tokens: every one of them comes back with its alternatives."""

MOST_IN_FLIGHT: Final = 32
"""300 short answers of the reference model take 3.6 s at 8 in flight, 1.5 s at 32 and 2 s at 64
(OpenVINO, two busy cores, 2026-11-21)."""

SURE: Final = 3.84
"""The square of the 97.5 % point of the normal distribution. Where n items are all right, Wilson's
interval (1927) begins at n ÷ (n + 3.84): a limit L on a score takes 3.84 × L ÷ (1 − L) of them."""
ROOM: Final = 1.5
"""Times as many, so that not all have to be right."""
LOADED_TIMES: Final = 4
MOST_LOADED: Final = 256
SHORTEST_TEXT: Final = 256
LONGEST_TEXT: Final = 1_000_000
NEEDLE_ITEMS: Final = 32
MOST_TIMES: Final = 20
OF_LOAD: Final = "quality(load)"
OF_LONG: Final = "quality(long)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exams:
    """The suite that every variant is compared on, the user's own test set, and long texts.

    `suite` is `None` when there is nothing to be known: random weights, or no chat template.
    """

    suite: Suite | None
    own: Suite | None
    long: Suite | None = None

    @property
    def program(self) -> ProgramScorer | None:
        """What marks the items that have a scorer of their own."""
        return program_of(*(suite for suite in (self.suite, self.own) if suite is not None))

    @property
    def prompts(self) -> tuple[str, ...]:
        """What distributions are read over besides the fixed texts: the user's own come first."""
        items = [item for suite in (self.own, self.suite) if suite for item in suite.items]
        return prompts_of(items[:FIDELITY_PROMPTS])

    def garbage(self, baseline: QualityResult | None) -> StopRule | None:
        """The rule that tells a broken variant by its first answers."""
        if self.suite is None:
            return None
        rule = picture_garbage_rule if is_pictured(self.suite) else garbage_rule
        return rule(self.suite, baseline)

    def paired(self, request: Request, baseline: QualityResult | None) -> PairedRule | None:
        """The rule that stops when the comparison with the baseline is clear."""
        if self.suite is None or baseline is None:
            return None
        margin = margin_of(request, baseline)
        return None if margin is None else PairedRule(self.suite, baseline, margin=margin)


def prompts_of(items: Sequence[Item]) -> tuple[str, ...]:
    """What items ask, as plain text: the beginning, where that is long."""
    asked = (
        "\n".join(message.content for message in item.messages if message.content) for item in items
    )
    return tuple(text[:PROMPT_CHARS] for text in asked)


def find_exams(request: Request, model: Model, suites: Suites) -> Exams:
    """The suite that was asked for, else the model's own, else the standard one; reads files.

    Raises SpecError for a suite that does not exist or cannot be asked.
    """
    answers = model.has_chat_template or model.image_family is not None
    if not model.trained or not answers:
        return Exams(suite=None, own=None)
    usual = STANDARD if model.image_family is None else PICTURES
    suite = suites.find(request.suite or model.suite_path or usual).only(Split.MAIN)
    own = None if request.own_suite is None else suites.find(request.own_suite)
    long = suites.find(needle_of(request)) if Beside.CONTEXT in request.beside else None
    for asked in (suite, own, long):
        _check_kind(asked, model)
    return Exams(suite=_part(suite, request.quality_items, seed=request.seed), own=own, long=long)


def _check_kind(suite: Suite | None, model: Model) -> None:
    """Raises SpecError for questions to an image model and pictures from a language model."""
    if suite is None or is_pictured(suite) is (model.image_family is not None):
        return
    wanted, given = ("pictures", "texts") if model.image_family else ("texts", "pictures")
    raise SpecError(
        Code.CONTRADICTION,
        f"the suite {suite.name!r} asks for {given}",
        why=f"{model.name!r} answers with {wanted}",
        fix="name another with --suite; docs/reference/suites.md has both kinds",
    )


def needle_of(request: Request) -> str:
    """The texts as long as the workload's prompts, as far as there are such; as many as a verdict
    on the strictest limit takes."""
    tokens = min(max(request.workload.input_tokens, SHORTEST_TEXT), LONGEST_TEXT)
    times = math.ceil(_verdict_items(request, OF_LONG) / NEEDLE_ITEMS)
    return f"needle:{tokens}" if times <= 1 else f"needle:{tokens}:{min(times, MOST_TIMES)}"


def in_flight(request: Request, places: int | None) -> int:
    """Questions asked at a time: as many as the workload has, or more where the engine takes them
    in one batch. `places` is `None` for an engine that does not say how many it takes."""
    usual = request.workload.concurrency
    return usual if places is None else max(usual, min(places, MOST_IN_FLIGHT))


def loaded_in_flight(request: Request, places: int | None) -> int | None:
    """In flight when items are asked again in full batches; `None` when that was not asked for."""
    if Beside.LOAD not in request.beside:
        return None
    full = places or LOADED_TIMES * request.workload.concurrency
    return max(2 * in_flight(request, places), min(full, MOST_LOADED))


def loaded_items(request: Request) -> int:
    """Items that are asked again in full batches, at most."""
    return max(LOADED_ITEMS, _verdict_items(request, OF_LOAD))


def is_unasked(variant: Variant, trials: Iterable[TrialRecord]) -> bool:
    """Whether its answers are still to be asked for: once, in the first launch that goes its whole
    way. One that ended early was asked nothing, and may be launched again when the bar falls."""
    return not any(
        trial.variant == variant and trial.cause is Cause.FINISHED and trial.cut is None
        for trial in trials
    )


def items_needed(request: Request) -> int:
    """Items that the baseline is to be asked for a verdict on the strictest relative limit on
    quality; none without one."""
    limits = (*quality_floors(request), *_floors(request, OF_LOAD, relative=True))
    return max((_paired_items(limit) for limit in limits), default=0)


def _verdict_items(request: Request, metric: str) -> int:
    """Items that a verdict on the strictest limit on `metric` takes; none without one."""
    against = map(_paired_items, _floors(request, metric, relative=True))
    alone = map(_scored_items, _floors(request, metric, relative=False))
    return max((*against, *alone), default=0)


def _paired_items(limit: float) -> int:
    return math.ceil(NEEDED / (1 - limit)) if limit < 1 else 0


def _scored_items(limit: float) -> int:
    return math.ceil(ROOM * SURE * limit / (1 - limit)) if limit < 1 else 0


def margin_of(request: Request, baseline: QualityResult) -> float | None:
    """How much worse than the baseline is still good enough for this request.

    `None` when every item is to be asked: where quality decides the order, its figure matters and
    not only on which side of a limit it is.
    """
    if request.priority is Priority.QUALITY:
        return None
    return quality_margin(quality_floors(request), baseline)


def quality_floors(request: Request) -> tuple[float, ...]:
    """The limits on quality relative to the baseline; 0.97 for `quality >= 0.97x`."""
    return _floors(request, "quality", relative=True)


def _floors(request: Request, metric: str, *, relative: bool) -> tuple[float, ...]:
    """The limits that a figure is to reach or to exceed."""
    return tuple(
        c.limit
        for c in request.constraints
        if c.metric == metric and c.relative is relative and not c.comparison.wants_less
    )


def program_of(*suites: Suite) -> ProgramScorer | None:
    """The user's own scorer, when an item asks for it.

    Raises SpecError when its file is absent, or when two suites bring a file each.
    """
    paths = {
        suite.scorer_path or ""
        for suite in suites
        if any(item.scorer is Scorer.PYTHON for item in suite.items)
    }
    if len(paths) > 1:
        raise SpecError(
            Code.BAD_OPTION,
            "two suites bring scorers of their own",
            why=f"one file can be used at a time, not {' and '.join(sorted(paths))}",
            fix="put the functions into one file, and name it in both as `scorer_path`",
        )
    if not paths:
        return None
    make: Callable[[Path], ProgramScorer] = adapter("quality", "python")
    return make(Path(paths.pop()))


def _part(suite: Suite, items: int | None, *, seed: int) -> Suite:
    """A seeded random part of a suite, under the suite's own hash; all of it for `None`."""
    if items is None or items >= len(suite.items):
        return suite
    chosen = Random(seed).sample(range(len(suite.items)), items)  # noqa: S311 - not a secret
    return replace(suite, items=tuple(suite.items[index] for index in sorted(chosen)))
