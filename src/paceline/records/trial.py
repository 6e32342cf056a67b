"""One launch and measurement of a variant."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.client import ClientVerdict
from paceline.records.fidelity import Fidelity
from paceline.records.image import ImageFacts
from paceline.records.launch import Artefact, Cause
from paceline.records.measurement import Metric
from paceline.records.quality import QualityResult
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import DeviceProcess
from paceline.records.variant import Variant


class TrialState(StrEnum):
    """Where a trial is; why it ended is its `Cause`."""

    QUEUED = "queued"
    PREPARING = "preparing"
    STARTING = "starting"
    MEASURING = "measuring"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Seconds by phase; `None` where a phase did not happen or was not seen.

    `environment_s` and `weights_s` (making the artefact) are `None` when found in the cache.
    `engine_s` is from process start to the first good health answer, `warmup_s` from there to
    the first answered request.
    """

    environment_s: float | None
    weights_s: float | None
    engine_s: float | None
    warmup_s: float | None

    @property
    def total_s(self) -> float | None:
        """A start with everything cached: engine + warm-up."""
        if self.engine_s is None or self.warmup_s is None:
            return None
        return self.engine_s + self.warmup_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRef:
    """Raw data kept beside the receipt: file name and content hash."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is needed to repeat a trial. `draft` is the small model of a variant that has one."""

    engine_version: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    environment_lock_sha256: str | None
    environment_lock: tuple[str, ...]
    artefact: Artefact | None
    seed: int
    started_at_utc: str
    log_tail: str
    draft: Artefact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Why a trial measured less than was meant: the share (0–1) of its window, and the reason."""

    share: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningCheck:
    """A variant that a guess had pruned and that was launched all the same, to check the guess.

    Both are values of the objective: the best that the variant was thought to reach, and the
    least that would have made it worth a launch. With a `constraint` they are of its figure: the
    optimistic end of the prediction, and the limit.
    """

    thought_at_best: float
    needed: float
    constraint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """Everything one trial left behind; stored as it ends, never changed after.

    `metrics` keys are names of the JSON contract (`ttft_p95_ms`, `output_tokens_per_s`,
    `peak_memory_gib` …); empty when the trial did not measure. `samples` points to the raw
    requests that the metrics are recomputed from. `client` is `None` when no load was sent.
    `foreign_cpu_share` is the share of all cores that other processes took in the window. `cut`
    is `None` when the whole window was measured. `origin` names the run that measured it, `None`
    when it is the run that holds it. `own_quality` is of the user's own test set, `quality_s` the
    time that asking took, of both suites. `checked` is set for variants launched against a guess.
    """

    trial_id: str
    variant: Variant
    repeat: int
    cause: Cause
    detail: str
    metrics: Mapping[str, Metric]
    quality: QualityResult | None
    cold_start: ColdStart
    samples: BlobRef | None
    provenance: Provenance
    client: ClientVerdict | None
    steady: bool
    foreign_cpu_share: float | None
    wall_s: float
    cut: Cut | None = None
    origin: str | None = None
    checked: PruningCheck | None = None
    own_quality: QualityResult | None = None
    quality_s: float | None = None
    speculation: SpeculationCounts | None = None
    """What the engine counted; `None` without speculation or where it does not say."""
    inspected: ImageFacts | None = None
    """What an image runtime found inside itself; `None` for language models."""
    fidelity: Fidelity | None = None
    """Of its next-token distributions to the run's reference; `None` with the reason beside it."""
    fidelity_because: str | None = None
    """Why there is no fidelity, where something was asked at all."""
    readings: BlobRef | None = None
    """The distributions that `fidelity` rests on."""
    quality_allowed_s: float | None = None
    """What the quality part was allowed to take; `None` without a limit."""
    loaded_quality: QualityResult | None = None
    """The first items of the suite asked again in full batches, where that was asked for."""
    strangers: tuple[DeviceProcess, ...] | None = None
    """Who else computed on its accelerator while it was measured; `None` when nobody looked."""
    long_quality: QualityResult | None = None
    """Codes found in texts of the workload's length, where that was asked for."""
