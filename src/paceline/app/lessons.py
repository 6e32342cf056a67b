"""What this machine has seen so far: lessons for its predictions, and what died here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from paceline.errors import SpecError
from paceline.plan.local.foretell import MEASURED, Lesson, Subject
from paceline.plan.local.machine import device_of, shape_of_counts
from paceline.plan.shapes import Shape, read_shape
from paceline.ports.store import Store
from paceline.rank.prediction import is_sound
from paceline.records.hardware import Accelerator, HostFingerprint
from paceline.records.model import Model
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.records.version import LASTING, FailureFact

RUNS: Final = 20
"""How many of the latest runs are read: what is older says little of today's engines."""


def lessons_here(
    store: Store, accelerators: Sequence[Accelerator], here: HostFingerprint
) -> tuple[Lesson, ...]:
    """Sound trials of the store on these accelerators of this machine."""
    devices = {place.name: device_of(place) for place in accelerators}
    found = []
    for run in store.runs(limit=RUNS):
        shape = shape_of_model(run.model)
        for trial in trials_here(run, store, accelerators, here):
            device = devices[trial.variant.accelerator]
            if device is None or not (trial.metrics and is_sound(trial)):
                continue
            subject = Subject(
                variant=trial.variant,
                model=run.model.sha256,
                shape=shape,
                device=device,
                workload=run.request.workload,
            )
            found.append(Lesson(subject=subject, measured=measured_of(trial)))
    return tuple(found)


def trials_here(
    run: RunRecord, store: Store, accelerators: Sequence[Accelerator], here: HostFingerprint
) -> tuple[TrialRecord, ...]:
    """The run's trials on these accelerators, of a processor only those of a machine like this."""
    places = {place.name: place for place in accelerators}
    return tuple(
        trial
        for trial in store.trials(run.run_id)
        if (place := places.get(trial.variant.accelerator)) and is_here(place, run.host, here)
    )


def failures_here(
    store: Store, model_sha256: str, accelerators: Sequence[Accelerator], here: HostFingerprint
) -> tuple[FailureFact, ...]:
    """What variants of this model died of on these accelerators and would die of again."""
    places = {place.name: place for place in accelerators}
    return tuple(
        fact
        for fact in store.failures(model_sha256)
        if fact.cause in LASTING  # older programs stored others, too
        and (place := places.get(fact.variant.accelerator))
        and is_here(place, fact.host, here)
    )


def is_here(place: Accelerator, host: HostFingerprint | None, here: HostFingerprint) -> bool:
    """Whether what was seen on `host` on an accelerator called like `place` holds for `place`."""
    return place.told_by_name or (host is not None and here.is_like(host))


def shape_of_model(model: Model) -> Shape:
    """From the folder's config.json where it can be read, else from the counts of the record."""
    try:
        config = json.loads((Path(model.folder) / "config.json").read_text(encoding="utf-8"))
        return read_shape(config)
    except (OSError, ValueError, SpecError):
        return shape_of_counts(model)


def measured_of(trial: TrialRecord) -> tuple[float | None, float | None, float | None]:
    """The figures that predictions are held against."""
    throughput, tpot, ttft = (
        None if (metric := trial.metrics.get(name)) is None else metric.value for name in MEASURED
    )
    return throughput, tpot, ttft
