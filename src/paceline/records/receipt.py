"""Everything needed to check or repeat a run's choice, and what a check found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.hardware import Accelerator, HostFingerprint
from paceline.records.measurement import Metric
from paceline.records.model import Model
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.request import Request
from paceline.records.trial import BlobRef, TrialRecord
from paceline.records.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of one accelerator was taken to cost, on which day and by whose word."""

    accelerator: str
    usd_per_hour: float
    source: str | None
    used_at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A finished run as one document.

    `software` maps names to versions of what did the arithmetic. `suite` holds the questions that
    quality was measured with, `None` when it was not, `own_suite` those of the user's own test
    set. `formulas` says in words how each derived figure comes from the raw samples.
    """

    run_id: str
    created_at_utc: str
    software: Mapping[str, str]
    request: Request
    model: Model
    host: HostFingerprint
    accelerators: tuple[Accelerator, ...]
    prices: tuple[Price, ...]
    formulas: Mapping[str, str]
    suite: BlobRef | None
    plan: Plan
    trials: tuple[TrialRecord, ...]
    ranking: Ranking
    own_suite: BlobRef | None = None
    long_suite: BlobRef | None = None
    """The texts in which codes were to be found, where that was asked for."""


class Fault(StrEnum):
    """What is wrong with a receipt."""

    NAME = "name"
    """The content does not hash to the file's name."""
    SECTION = "section"
    """A part does not hash to what the receipt itself says of it."""
    MALFORMED = "malformed"
    BLOB = "blob"
    """Raw data that it refers to is gone or was changed."""
    UNMARKED = "unmarked"
    """Its answers cannot be marked by its own suite, or not in the time that marking may take."""
    ARITHMETIC = "arithmetic"
    """A derived figure is not what its raw data give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, at a JSON path of the receipt (`$` is the whole document).

    `stored` and `found` are both sides as JSON text, `None` where there is no such side.
    """

    path: str
    fault: Fault
    detail: str
    stored: str | None = None
    found: str | None = None

    @property
    def text(self) -> str:
        """For people: where, what, and both sides."""
        if self.stored is None and self.found is None:
            return f"{self.path}: {self.detail}"
        sides = f"stored {self.stored or 'nothing'}, found {self.found or 'nothing'}"
        return f"{self.path}: {self.detail}: {sides}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of a check: what was looked at, and what is wrong with it."""

    sha256: str
    run_id: str | None
    trials: int
    samples: int
    """Raw samples files whose figures were computed again."""
    figures: int
    """Derived values that were compared."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.findings


class Agreement(StrEnum):
    """What a second measurement says of a figure."""

    AGREES = "agrees"
    """The two cannot be told apart beyond their noise."""
    DIFFERS = "differs"
    OPEN = "open"
    """Nothing can be said: one side has no interval, or was measured under doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureAgain:
    """One figure of one variant, as the receipt has it and as it was measured again."""

    variant: Variant
    name: str
    stored: Metric
    found: Metric | None
    agreement: Agreement
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remeasured:
    """A receipt's baseline and winner, launched again under its request.

    `run_id` is the new measurement. `elsewhere` tells why figures cannot be compared, since the
    receipt was made on another machine; then only `order` counts: whether the winner is ahead
    of the baseline again.
    """

    run_id: str
    figures: tuple[FigureAgain, ...]
    order: Agreement
    order_because: str
    elsewhere: str | None = None

    @property
    def agreement(self) -> Agreement:
        """`DIFFERS` when anything does that counts, `OPEN` when nothing at all could be told."""
        counted = [] if self.elsewhere else [figure.agreement for figure in self.figures]
        if Agreement.DIFFERS in (self.order, *counted):
            return Agreement.DIFFERS
        told = self.elsewhere is not None or Agreement.AGREES in counted
        return self.order if told else Agreement.OPEN
