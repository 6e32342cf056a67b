"""What a trial has learned so far, and the record that it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from paceline.records.image import ImageFacts
from paceline.records.launch import Artefact, Cause, Environment
from paceline.records.load import LoadResult, LoadSummary, Route
from paceline.records.measurement import Metric
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import DeviceProcess
from paceline.records.trial import BlobRef, ColdStart, Cut, Provenance, TrialRecord
from paceline.trial.asking import Answers
from paceline.trial.innocence import judge_client
from paceline.trial.metrics import Beside, Footprint, time_share, trial_metrics
from paceline.trial.order import TrialOrder
from paceline.trial.workload import latency_limits_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a trial has learned so far; grows as it goes on."""

    cause: Cause = Cause.CRASHED
    detail: str = ""
    artefact: Artefact | None = None
    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    engine_s: float | None = None
    warmup_s: float | None = None
    answers: Answers = field(default_factory=Answers)
    readings: BlobRef | None = None
    load: LoadResult | None = None
    summary: LoadSummary | None = None
    goodput: Metric | None = None
    foreign_cpu_share: float | None = None
    strangers: tuple[DeviceProcess, ...] | None = None
    peak_memory_gib: float | None = None
    log_tail: str = ""
    cut: Cut | None = None
    speculation: SpeculationCounts | None = None
    draft: Artefact | None = None
    inspected: ImageFacts | None = None


def trial_record(
    order: TrialOrder,
    seen: Seen,
    *,
    samples: BlobRef | None,
    environment: Environment,
    engine_version: str,
    started_at_utc: str,
    wall_s: float,
) -> TrialRecord:
    """The record of a trial that took `wall_s` in all."""
    answers, load = seen.answers, seen.load
    cold_start = ColdStart(
        environment_s=environment.installed_s,
        weights_s=seen.artefact.prepared_s if seen.artefact else None,
        engine_s=seen.engine_s,
        warmup_s=seen.warmup_s,
    )
    limits_ms = latency_limits_ms(order.constraints)
    return TrialRecord(
        trial_id=order.trial_id,
        variant=order.variant,
        repeat=order.repeat,
        cause=seen.cause,
        detail=seen.detail,
        metrics=_metrics(order, seen, cold_start_s=cold_start.total_s, wall_s=wall_s),
        quality=answers.quality,
        own_quality=answers.own,
        long_quality=answers.long,
        loaded_quality=answers.loaded,
        quality_s=answers.spent_s,
        quality_allowed_s=answers.allowed_s,
        fidelity=answers.closeness.fidelity,
        fidelity_because=answers.closeness.because,
        readings=seen.readings,
        cold_start=cold_start,
        samples=samples,
        provenance=_provenance(order, seen, environment, engine_version, started_at_utc),
        client=judge_client(load, limits_ms=limits_ms) if load else None,
        steady=seen.summary.steady if seen.summary else False,
        foreign_cpu_share=seen.foreign_cpu_share,
        strangers=seen.strangers,
        wall_s=wall_s,
        cut=seen.cut,
        speculation=seen.speculation,
        inspected=seen.inspected,
    )


def _metrics(
    order: TrialOrder, seen: Seen, *, cold_start_s: float | None, wall_s: float
) -> Mapping[str, Metric]:
    answers = seen.answers
    return trial_metrics(
        seen.summary,
        answers.quality,
        Footprint(
            peak_memory_gib=seen.peak_memory_gib,
            memory_gib=order.accelerator.memory_gib,
            cold_start_s=cold_start_s,
            price_usd_per_hour=order.price_usd_per_hour,
            images=order.route is Route.IMAGES,
        ),
        goodput=seen.goodput,
        speculation=seen.speculation,
        own_quality=answers.own,
        beside=Beside(
            fidelity=answers.closeness.fidelity,
            loaded=answers.loaded,
            long=answers.long,
            time_share=time_share(answers.spent_s, wall_s),
        ),
    )


def _provenance(
    order: TrialOrder,
    seen: Seen,
    environment: Environment,
    engine_version: str,
    started_at_utc: str,
) -> Provenance:
    return Provenance(
        engine_version=engine_version,
        argv=seen.argv,
        env=dict(seen.env),
        environment_lock_sha256=environment.lock_sha256,
        environment_lock=environment.lock,
        artefact=seen.artefact,
        seed=order.seed,
        started_at_utc=started_at_utc,
        log_tail=seen.log_tail,
        draft=seen.draft,
    )
