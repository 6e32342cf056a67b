"""What one trial is to do, as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paceline.ports.quality import StopRule
from paceline.records.hardware import Accelerator
from paceline.records.image import ImageLoad
from paceline.records.load import Route
from paceline.records.load_plan import LoadPlan
from paceline.records.model import Model
from paceline.records.quality import Suite
from paceline.records.request import Constraint
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.trial.asking import LOADED_ITEMS
from paceline.trial.closeness import ReadingOrder
from paceline.trial.sequential import PairedRule


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRung:
    """A short load before the whole one. `why_end` tells from its record why the trial ends there,
    `None` when it goes on; `share` is its part (0–1) of the whole window."""

    plan: LoadPlan
    share: float
    why_end: Callable[[TrialRecord], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What one trial is to do. `suite` is `None` when quality is not to be measured."""

    trial_id: str
    variant: Variant
    repeat: int
    model: Model
    accelerator: Accelerator
    plan: LoadPlan
    suite: Suite | None
    garbage_rule: StopRule | None
    quality_concurrency: int
    constraints: tuple[Constraint, ...]
    """Goodput counts requests within them; the client must be innocent of moving their verdicts."""
    price_usd_per_hour: float | None
    seed: int
    cache: Path
    log_path: Path
    rung: FirstRung | None = None
    """`None` measures the whole window at once."""
    draft: Model | None = None
    """The small model that guesses ahead where the variant says so."""
    paired_rule: PairedRule | None = None
    """Stops the suite when the comparison with the baseline is clear; `None` asks every item."""
    own_suite: Suite | None = None
    """The user's own test set, asked whole."""
    long_suite: Suite | None = None
    """Codes to be found in texts of the workload's length."""
    loaded_concurrency: int | None = None
    """Items in flight when they are asked again in full batches; `None`: they are not."""
    loaded_items: int = LOADED_ITEMS
    """How many of them, at most."""
    quality_share: float = 1.0
    """The most of the trial's time that its quality part may take; 1 is no limit."""
    quality_stretch: float = 0.0
    """The same while fewer than `quality_needed` items are answered, where that is more."""
    quality_needed: int = 0
    reading: ReadingOrder | None = None
    """What to read of the distributions, where the engine gives them; else `no_reading` why not."""
    no_reading: str | None = None
    route: Route = Route.CHAT
    """Where the load goes."""
    pictures: ImageLoad | None = None
    """What every request of an image load asks for: the engine is warm for it."""
    until_s: float | None = None
    """Monotonic time at which the budget is spent: the trial ends there with what it has."""
