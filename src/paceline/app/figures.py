"""The figures of a stored trial, computed again from its raw samples, under any request."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from paceline.errors import SetupError
from paceline.ports.archive import Archive
from paceline.records.hardware import Accelerator
from paceline.records.load import LoadSummary
from paceline.records.measurement import Metric
from paceline.records.metric_names import PEAK_MEMORY_GIB, QUALITY_SHARE
from paceline.records.quality import QualityResult
from paceline.records.request import Request
from paceline.records.samples import unpack
from paceline.records.trial import TrialRecord
from paceline.trial.metrics import Beside, Footprint, time_share, trial_metrics
from paceline.trial.slo import goodput
from paceline.trial.timeline import summarise


class Unreadable(Exception):
    """Raw data that a trial's figures rest on cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the samples of one trial give."""

    summary: LoadSummary
    goodput: Metric | None


def load_of(trial: TrialRecord, request: Request, archive: Archive) -> Load | None:
    """From the samples; `None` when the trial has none. Raises Unreadable."""
    if trial.samples is None:
        return None
    try:
        table = unpack(archive.read(trial.samples))
    except SetupError as error:
        raise Unreadable(f"{error.what}: {error.why}") from error
    except (ValueError, KeyError, OSError) as error:
        raise Unreadable(f"these are no samples: {error}") from error
    open_loop = request.workload.rate_rps is not None
    summary = summarise(table, open_loop=open_loop)
    rate = goodput(table, summary, request.constraints, open_loop=open_loop)
    return Load(summary=summary, goodput=rate)


def footprint_of(
    trial: TrialRecord, request: Request, accelerators: Iterable[Accelerator]
) -> Footprint:
    """What the figures need besides the samples. Raises Unreadable on an unknown accelerator."""
    places = {place.name: place for place in accelerators}
    place = places.get(trial.variant.accelerator)
    if place is None:
        raise Unreadable(f"{trial.variant.accelerator!r} is none of {', '.join(places)}")
    peak = trial.metrics.get(PEAK_MEMORY_GIB)
    return Footprint(
        peak_memory_gib=peak.value if peak else None,
        memory_gib=place.memory_gib,
        cold_start_s=trial.cold_start.total_s,
        price_usd_per_hour=request.usd_per_hour(trial.variant),
        images=request.workload.image is not None,
    )


def with_figures(
    trial: TrialRecord, load: Load | None, quality: QualityResult | None, footprint: Footprint
) -> TrialRecord:
    """The trial with every derived field computed again."""
    summary = None if load is None else load.summary
    return replace(
        trial,
        metrics=trial_metrics(
            summary,
            quality,
            footprint,
            goodput=None if load is None else load.goodput,
            speculation=trial.speculation,
            own_quality=trial.own_quality,
            beside=Beside(
                fidelity=trial.fidelity,
                loaded=trial.loaded_quality,
                long=trial.long_quality,
                # Trials of before did not keep it as a figure.
                time_share=time_share(trial.quality_s, trial.wall_s)
                if QUALITY_SHARE in trial.metrics
                else None,
            ),
        ),
        quality=quality,
        steady=summary.steady if summary else False,
    )
