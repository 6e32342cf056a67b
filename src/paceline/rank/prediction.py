"""What was predicted before a run against what the run measured: one score per figure.

Predictions are those stored with the plan, made before anything was launched, so that they cannot
have seen the measurement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paceline.rank.pool import doubt_about
from paceline.records.launch import Cause
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S, latency_name
from paceline.records.plan import Plan, PredictedMetric
from paceline.records.trial import TrialRecord

SCORED = (OUTPUT_TOKENS_PER_S, latency_name("ttft", "mean"), latency_name("tpot", "mean"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of one trial. `error` is predicted ÷ measured - 1; `inside` whether the 90 % band
    held the measurement; `sound` whether the trial was quiet, steady, whole and not limited by the
    client.
    """

    trial_id: str
    variant_id: str
    metric: str
    predicted: PredictedMetric
    measured: float
    error: float
    inside: bool
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All sound scores of one figure: median absolute error, and the share inside the band.

    Over few trials either says little; `trials` says how many.
    """

    metric: str
    trials: int
    median_error: float
    inside_share: float


def scores(plan: Plan | None, trials: Sequence[TrialRecord]) -> tuple[Score, ...]:
    """Every finished trial of a predicted variant, in the order of the trials."""
    said = {one.variant_id: one.metrics for one in plan.predictions} if plan else {}
    return tuple(
        _score(trial, name, predicted, trial.metrics[name].value)
        for trial in trials
        for name in SCORED
        if (predicted := said.get(trial.variant.id, {}).get(name)) is not None
        and name in trial.metrics
        and trial.metrics[name].value > 0
    )


def is_sound(trial: TrialRecord) -> bool:
    """Whether a trial may teach or judge a prediction."""
    return trial.cause is Cause.FINISHED and trial.cut is None and doubt_about(trial) is None


def summaries(found: Sequence[Score]) -> tuple[Summary, ...]:
    """Per figure, those with a sound score."""
    return tuple(
        _summary(name, own)
        for name in SCORED
        if (own := [score for score in found if score.metric == name and score.sound])
    )


def _score(trial: TrialRecord, name: str, predicted: PredictedMetric, measured: float) -> Score:
    return Score(
        trial_id=trial.trial_id,
        variant_id=trial.variant.id,
        metric=name,
        predicted=predicted,
        measured=measured,
        error=predicted.value / measured - 1.0,
        inside=predicted.band90.lo <= measured <= predicted.band90.hi,
        sound=is_sound(trial),
    )


def _summary(name: str, own: Sequence[Score]) -> Summary:
    sizes = sorted(abs(score.error) for score in own)
    middle = (len(sizes) - 1) / 2
    return Summary(
        metric=name,
        trials=len(own),
        median_error=(sizes[math.floor(middle)] + sizes[math.ceil(middle)]) / 2,
        inside_share=sum(score.inside for score in own) / len(own),
    )
