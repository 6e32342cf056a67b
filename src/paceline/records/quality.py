"""What a suite asks, what was answered, and what the answers are worth."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from paceline.records.measurement import Interval, Verdict


class Scorer(StrEnum):
    """How an answer is marked; the rules are written down in `docs/reference/suites.md`."""

    EXACT = "exact"
    LAST_LINE_EXACT = "last_line_exact"
    CONTAINS = "contains"
    FINAL = "final"
    NUMBER = "number"
    CHOICE = "choice"
    REGEX = "regex"
    SCHEMA = "schema"
    JSON = "json"
    CHECKS = "checks"
    SAME = "same"
    PYTHON = "python"
    PICTURE = "picture"
    """How like the baseline's picture of the same item it is; `Item.answer` says what it shows."""
    SHOWS = "shows"
    """Whether what `Item.answer` names can be seen: `red circle`."""


class Split(StrEnum):
    """`MAIN` items decide; `REPORT` items are never used for a decision, only shown."""

    MAIN = "main"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    An assistant message whose `content` is `None` is the model's own reply at that point: it is
    generated, then sent back as history.
    """

    role: str
    content: str | None


class CheckName(StrEnum):
    """Properties of a reply; the first group counts something between `least` and `most`."""

    WORDS = "words"
    SENTENCES = "sentences"
    LINES = "lines"
    CHARACTERS = "characters"
    BULLETS = "bullets"
    NUMBERED = "numbered"
    PARTS = "parts"
    WORD_TIMES = "word_times"
    HAS = "has"
    LACKS = "lacks"
    LACKS_TEXT = "lacks_text"
    STARTS = "starts"
    ENDS = "ends"
    MATCHES = "matches"
    LOWER = "lower"
    UPPER = "upper"
    LANGUAGE = "language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One property that a reply must have; which fields count depends on `name`."""

    name: CheckName
    text: str = ""
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question with its checkable answer.

    `also` are further right answers. `tolerance` is absolute and belongs to `number` and `json`.
    `schema` is JSON text. `weight` counts within the category.
    """

    item_id: str
    category: str
    messages: tuple[Message, ...]
    scorer: Scorer
    answer: str
    max_tokens: int
    weight: float = 1.0
    also: tuple[str, ...] = ()
    tolerance: float = 0.0
    choices: tuple[str, ...] = ()
    schema: str | None = None
    checks: tuple[Check, ...] = ()
    split: Split = Split.MAIN
    seed: int | None = None
    """Of a picture; items with the same prompt and seed are about the same picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A fixed, versioned set of items. `sha256` covers the items and the weights.

    `weights` gives each category its share of the composite and sums to 1; `None` means that
    every category weighs as much as the items in it. `scorer_path` is the user's own Python
    scorer, for items that name it.
    """

    name: str
    version: str
    sha256: str
    items: tuple[Item, ...]
    weights: Mapping[str, float] | None = None
    scorer_path: str | None = None

    def only(self, split: Split) -> "Suite":
        """The items of one split, under the same hash."""
        items = tuple(item for item in self.items if item.split is split)
        name = self.name if split is Split.MAIN else f"{self.name}/{split}"
        return replace(self, name=name, items=items)

    def asking_order(self, seed: int) -> tuple[Item, ...]:
        """A seeded permutation: any prefix is a random sample of the suite."""
        order = list(self.items)
        random.Random(seed).shuffle(order)  # noqa: S311 - sampling, not secrecy
        return tuple(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back for one item: the text of the last turn, or why there is none.

    `earlier` are the model's own replies in previous turns, first to last. `finish_reason` is
    the server's word (`stop`, `length` …), `None` when it gave none. `latents` are, of a picture,
    the path of what was decoded to it, and then those of the earlier ones; empty when not told.
    """

    text: str
    earlier: tuple[str, ...] = ()
    finish_reason: str | None = None
    error: str | None = None
    latents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """One item answered: `score` is 0–1; `answer` is the model's text, kept for re-scoring.

    Of a picture, `answer` is the path at which it was kept and `earlier` that of the picture it
    is compared with; `latents` are the paths of what both were decoded from, in this order, where
    the server told. `figures` are further readings (`psnr_db`). `weight` is that of the item within
    its category.
    """

    item_id: str
    category: str
    score: float
    answer: str
    error: str | None = None
    earlier: tuple[str, ...] = ()
    finish_reason: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    latents: tuple[str, ...] = ()


class StopCause(StrEnum):
    """Why a suite was not asked to its end."""

    GARBAGE = "garbage"
    CLEAR = "clear"
    CANCELLED = "cancelled"
    SHARE = "share"
    """The quality part's share of the trial's time was used up; not by what was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """An early end, with both numbers in `because`."""

    cause: StopCause
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedVerdict:
    """Non-inferiority of a variant by a margin; shares are of the composite.

    `PASS`: not worse than the baseline by `margin` or more. `FAIL`: worse by more than that.
    `difference_ci95` holds at whatever moment the asking stopped; `different` tells that it
    excludes no difference at all.
    """

    verdict: Verdict
    margin: float
    difference: float
    difference_ci95: Interval
    different: bool
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResult:
    """A suite asked once. `suite_sha256` pins the items; results compare only on equal hashes.

    `score` is the weighted composite of `by_category` under `weights`, `ci95` its interval. When
    `stopped` is set, `items` are a seeded random part of the suite and the score is theirs.
    `paired` is the verdict against the baseline when the asking was to stop as soon as it is clear.
    """

    suite: str
    suite_sha256: str
    items: tuple[ItemScore, ...]
    score: float
    by_category: Mapping[str, float]
    ci95: Interval | None
    weights: Mapping[str, float] = field(default_factory=dict)
    stopped: Stopped | None = None
    paired: PairedVerdict | None = None

    @property
    def errors(self) -> int:
        """Items that got no answer; they count as wrong."""
        return sum(item.error is not None for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityProgress:
    """How far a suite is: `score` is the plain mean of the items answered so far."""

    answered: int
    total: int
    score: float
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityComparison:
    """A variant against the baseline on the same items.

    `ratio` is variant ÷ baseline with its paired-bootstrap interval; `lost` and `gained` list
    the items that flipped; `p_value` is McNemar's exact two-sided test.
    """

    ratio: float
    ratio_ci95: Interval
    difference: float
    difference_ci95: Interval
    p_value: float
    lost: tuple[str, ...]
    gained: tuple[str, ...]
