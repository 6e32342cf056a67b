"""A run as the JSON contract has it. Nothing is computed here, only laid out."""

from collections.abc import Mapping, Sequence

from paceline.app.ledger import ledger
from paceline.app.licenses import license_document
from paceline.app.plan_document import (
    left_out_document,
    predicted_document,
    request_document,
    variant_document,
)
from paceline.rank.prediction import scores, summaries
from paceline.records.fidelity import Fidelity
from paceline.records.measurement import Interval, Metric
from paceline.records.metric_names import QUALITY, QUALITY_SHARE
from paceline.records.plan import Plan
from paceline.records.quality import QualityComparison
from paceline.records.ranking import ConstraintVerdict, Ranked, Ranking
from paceline.records.run import RunRecord
from paceline.records.serial import dump
from paceline.records.trial import TrialRecord

Json = Mapping[str, object]


def run_document(run: RunRecord, ranking: Ranking, receipt_path: str | None) -> Json:
    """The document that `paceline optimize --json` prints."""
    return {
        "run_id": run.run_id,
        "request": request_document(run.request),
        "baseline": ranking.baseline,
        "winner": ranking.winner,
        "tied_with": list(ranking.tied_with),
        "variants": [_ranked(ranked) for ranked in ranking.ranked],
        "rejected": [left_out_document(entry) for entry in ledger(ranking.rejected)],
        "pareto": list(ranking.pareto),
        "advice": [
            {
                "text": advice.text,
                "constraint": advice.constraint,
                "nearest_variant": advice.nearest_variant,
                "relaxed": advice.relaxed,
                "relaxed_by": advice.relaxed_by,
            }
            for advice in ranking.advice
        ],
        "formula": ranking.formula,
        "license": license_document(run.model),
        "receipt": receipt_path,
    }


def prediction_document(plan: Plan | None, trials: Sequence[TrialRecord]) -> Json:
    """Predicted against measured, per trial and figure, and in sum."""
    found = scores(plan, trials)
    return {
        "summary": [
            {
                "metric": one.metric,
                "trials": one.trials,
                "median_error": one.median_error,
                "inside_band90": one.inside_share,
            }
            for one in summaries(found)
        ],
        "trials": [
            {
                "trial": score.trial_id,
                "variant": score.variant_id,
                "metric": score.metric,
                "predicted": predicted_document(score.predicted),
                "measured": score.measured,
                "error": score.error,
                "inside": score.inside,
                "sound": score.sound,
            }
            for score in found
        ],
    }


def _ranked(ranked: Ranked) -> Json:
    quality = ranked.metrics.get(QUALITY)
    return variant_document(ranked.variant) | {
        "metrics": {name: _metric(metric) for name, metric in ranked.metrics.items()},
        "verdicts": [_verdict(verdict) for verdict in ranked.verdicts],
        "quality": {
            "score": quality.value if quality else None,
            "ci95": _interval(quality.ci95) if quality else None,
            "against_baseline": _comparison(ranked.quality) if ranked.quality else None,
            "fidelity": fidelity_document(ranked.fidelity) if ranked.fidelity else None,
            "fidelity_because": ranked.fidelity_because,
            "under_load": _comparison(ranked.under_load) if ranked.under_load else None,
            "long_context": _comparison(ranked.long_context) if ranked.long_context else None,
            "time_share": _value(ranked.metrics.get(QUALITY_SHARE)),
        },
        "cost": {
            name.removeprefix("cost_"): metric.value
            for name, metric in ranked.metrics.items()
            if name.startswith("cost_")
        },
        "chips": list(ranked.chips),
        "inside": None if ranked.inspected is None else dump(ranked.inspected),
        "notes": list(ranked.notes),
        "trials": ranked.trials,
        "rank": ranked.rank,
    }


def fidelity_document(fidelity: Fidelity) -> Json:
    """How far the next-token distributions are from the reference's."""
    return {
        "against": fidelity.against,
        "reading": fidelity.reading.value,
        "mean_kl_nats": fidelity.mean_kl_nats,
        "mean_kl_ci95": _interval(fidelity.mean_kl_ci95),
        "top1_agreement": fidelity.top1_agreement,
        "top1_ci95": _interval(fidelity.top1_ci95),
        "perplexity_ratio": fidelity.perplexity_ratio,
        "noise_kl_nats": fidelity.noise_kl_nats,
        "p_value": fidelity.p_value,
        "positions": fidelity.positions,
        "texts": fidelity.texts,
        "coverage": fidelity.coverage,
    }


def _value(metric: Metric | None) -> float | None:
    return None if metric is None else metric.value


def _metric(metric: Metric) -> Json:
    return {
        "value": metric.value,
        "unit": metric.unit,
        "ci95": _interval(metric.ci95),
        "n": metric.n,
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.lo, interval.hi]


def _verdict(verdict: ConstraintVerdict) -> Json:
    return {
        "constraint": verdict.constraint.text,
        "verdict": verdict.verdict.value,
        "value": verdict.value,
        "margin": verdict.margin,
        "because": verdict.because,
    }


def _comparison(quality: QualityComparison) -> Json:
    return {
        "ratio": quality.ratio,
        "ratio_ci95": _interval(quality.ratio_ci95),
        "difference": quality.difference,
        "difference_ci95": _interval(quality.difference_ci95),
        "p_value": quality.p_value,
        "lost": list(quality.lost),
        "gained": list(quality.gained),
    }
