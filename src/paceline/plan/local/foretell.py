"""Variants on this machine → predicted figures with bands, corrected by earlier trials."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from paceline.plan.facts.tables import Device
from paceline.plan.local.correct import Key, corrections
from paceline.plan.local.machine import deployment, is_known_engine
from paceline.plan.predict.deployment import Array, Deployment, batch_of
from paceline.plan.predict.predict import Band, Prediction, predict
from paceline.plan.shapes import Shape
from paceline.plan.survey.figures import Footing, figures, unit_of
from paceline.records.measurement import Interval
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S, latency_name
from paceline.records.plan import Predicted, PredictedMetric
from paceline.records.request import Workload
from paceline.records.variant import Variant

Z90: Final = 1.645
MEASURED: Final = (
    OUTPUT_TOKENS_PER_S,
    latency_name("tpot", "mean"),
    latency_name("ttft", "mean"),
)
"""Figures of a trial that the predictions are held against, in the predictor's order."""
STATISTICS: Final = frozenset({"mean", "p50", "p90", "p95", "p99", "max"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One variant of one model under one load. `usd_per_hour` is of all its devices."""

    variant: Variant
    model: str
    shape: Shape
    device: Device
    workload: Workload
    usd_per_hour: float | None = None

    @property
    def key(self) -> Key:
        """What its prediction shares with others."""
        variant, load = self.variant, self.workload
        return Key(
            place=f"{variant.count} {variant.accelerator}",
            engine=variant.engine,
            format=variant.format,
            model=self.model,
            variant=variant.id,
            load=f"{load.concurrency} {load.rate_rps} {load.input_tokens} {load.output_tokens}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A finished trial: what was measured, in the order of `MEASURED`; `None` where nothing was."""

    subject: Subject
    measured: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the predictor alone says of several subjects. `[subjects]`, metrics as in `MEASURED`."""

    subjects: Sequence[Subject]
    seen: Prediction
    values: tuple[Array, ...]
    deviations: tuple[Array, ...]
    """Natural logarithms."""


def can_speak(subject: Subject) -> bool:
    """Whether the predictor knows the engine and the format, and no speculation is in play."""
    return (
        is_known_engine(subject.variant.engine)
        and subject.variant.speculation is None
        and _laid_out(subject) is not None
    )


def foretell(subjects: Sequence[Subject], lessons: Sequence[Lesson]) -> tuple[Predicted, ...]:
    """Every subject that the predictor can speak of, in order; those that do not fit are left out.

    Pure arithmetic, milliseconds.
    """
    subjects = [subject for subject in subjects if can_speak(subject)]
    lessons = [lesson for lesson in lessons if can_speak(lesson.subject)]
    if not subjects:
        return ()
    said = _say(subjects)
    taught = _say([lesson.subject for lesson in lessons]) if lessons else None
    throughput, tpot, ttft = (
        _band(said, metric) if taught is None else _corrected(said, taught, lessons, metric)
        for metric in range(len(MEASURED))
    )
    found = replace(said.seen, output_tokens_per_s=throughput, tpot_ms=tpot, ttft_ms=ttft)
    return tuple(
        _predicted(subject, at, found, lessons)
        for at, subject in enumerate(subjects)
        if found.fits[at]
    )


def _laid_out(subject: Subject) -> Deployment | None:
    return deployment(subject.variant, subject.shape, subject.device, subject.workload)


def _say(subjects: Sequence[Subject]) -> _Said:
    laid = [found for subject in subjects if (found := _laid_out(subject)) is not None]
    seen = predict(batch_of(laid))
    bands = (seen.output_tokens_per_s, seen.tpot_ms, seen.ttft_ms)
    return _Said(
        subjects=subjects,
        seen=seen,
        values=tuple(band.value for band in bands),
        deviations=tuple(np.log(band.high / band.low) / (2 * Z90) for band in bands),
    )


def _band(said: _Said, metric: int) -> Band:
    return _around(np.log(said.values[metric]), said.deviations[metric])


def _corrected(said: _Said, taught: _Said, lessons: Sequence[Lesson], metric: int) -> Band:
    measured = [lesson.measured[metric] for lesson in lessons]
    known = [at for at, value in enumerate(measured) if value is not None and value > 0]
    values = np.array([measured[at] for at in known], dtype=np.float64)
    fix = corrections(
        [subject.key for subject in said.subjects],
        said.deviations[metric],
        [taught.subjects[at].key for at in known],
        np.log(values / taught.values[metric][known]),
        taught.deviations[metric][known],
    )
    return _around(np.log(said.values[metric]) + fix.shift, said.deviations[metric] * fix.narrower)


def _around(logarithm: Array, deviation: Array) -> Band:
    value, width = np.exp(logarithm), np.exp(Z90 * deviation)
    return Band(value=value, low=value / width, high=value * width)


def _predicted(
    subject: Subject, at: int, found: Prediction, lessons: Sequence[Lesson]
) -> Predicted:
    here = Footing(
        usd_per_hour=np.array([np.nan if (p := subject.usd_per_hour) is None else p]),
        memory_gib=np.array([subject.device.memory_gib]),
    )
    bands = figures(found.take(np.array([at])), subject.workload, here, statistics=STATISTICS)
    metrics = {name: _metric(name, band) for name, band in bands.items()}
    if subject.workload.rate_rps is not None:
        metrics |= {
            f"scheduled_{name}": metric
            for name, metric in metrics.items()
            if name.startswith(("ttft", "e2e"))
        }
    own = sum(lesson.subject.key.place == subject.key.place for lesson in lessons)
    return Predicted(
        variant_id=subject.variant.id,
        metrics={name: metric for name, metric in metrics.items() if np.isfinite(metric.value)},
        requests_at_most=int(found.at_once[at]),
        local_trials=own,
    )


def _metric(name: str, band: Band) -> PredictedMetric:
    return PredictedMetric(
        value=float(band.value[0]),
        unit=unit_of(name),
        band90=Interval(lo=float(band.low[0]), hi=float(band.high[0])),
    )
