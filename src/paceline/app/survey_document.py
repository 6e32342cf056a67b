"""A survey as JSON: the keys of `optimize`, with `band90` where that has `ci95`."""

from collections.abc import Mapping

from paceline.app.plan_document import predicted_document, request_document, variant_document
from paceline.app.survey import Surveyed
from paceline.plan.survey.field import Tally
from paceline.plan.survey.pricing import STALE_AFTER_DAYS, Quote
from paceline.plan.survey.shown import Candidate
from paceline.records.ranking import ConstraintVerdict

Json = Mapping[str, object]


def survey_document(found: Surveyed) -> Json:
    """The document that `paceline plan --json` prints when it looks at the tables."""
    survey, shape = found.survey, found.shape
    return {
        "predicted": True,
        "request": request_document(found.request),
        "model": {
            "parameters": shape.parameters,
            "active_parameters": shape.active_parameters,
            "layers": shape.layers,
            "kv_elements_per_token": shape.kv_elements_per_token(),
            "max_context_tokens": shape.max_context_tokens,
        },
        "considered": survey.considered,
        "could_serve": len(survey.field.order),
        "could_win": int(survey.field.could_win().sum()),
        "formula": survey.formula,
        "not_predicted": list(survey.unpredicted),
        "variants": [candidate_document(one) for one in found.leaders],
        "by_accelerator": [candidate_document(one) for one in found.by_accelerator],
        "rejected": [_tally(tally) for tally in survey.rejected],
        "advice": [{"topic": one.topic, "text": one.text} for one in found.advice],
        "prices": {
            "stale_after_days": STALE_AFTER_DAYS,
            "quotes": {
                name: {market: _quote(quote) for market, quote in markets.items()}
                for name, markets in found.prices.items()
            },
        },
    }


def candidate_document(one: Candidate) -> Json:
    """One predicted variant."""
    highest = one.highest
    dear = highest.usd_per_mtok
    return variant_document(one.variant) | {
        "predicted": True,
        "rank": one.rank,
        "could_win": one.could_win,
        "metrics": {name: predicted_document(metric) for name, metric in one.metrics.items()},
        "verdicts": [_verdict(verdict) for verdict in one.verdicts],
        "requests_at_most": one.requests_at_most,
        "highest_load": {
            "requests_in_flight": highest.in_flight,
            "output_tokens_per_s": predicted_document(highest.output_tokens_per_s),
            "cost_usd_per_mtok": None if dear is None else predicted_document(dear),
        },
        "usd_per_hour": one.usd_per_hour,
        "price": None if one.quote is None else _quote(one.quote),
    }


def _verdict(verdict: ConstraintVerdict) -> Json:
    return {
        "constraint": verdict.constraint.text,
        "verdict": verdict.verdict.value,
        "value": verdict.value,
        "margin": verdict.margin,
        "because": verdict.because,
    }


def _tally(tally: Tally) -> Json:
    example = tally.example
    return {
        "reason": example.reason.value,
        "kind": tally.kind,
        "count": tally.count,
        "variant": variant_document(example.variant),
        "detail": example.detail,
        "have": example.have,
        "need": example.need,
    }


def _quote(quote: Quote) -> Json:
    price = quote.price
    return {
        "usd_per_device_hour": price.usd_per_device_hour,
        "usd_per_device_second": quote.usd_per_device_second,
        "market": price.market,
        "provider": price.provider,
        "region": price.region,
        "instance": price.instance,
        "as_of": price.as_of,
        "age_days": quote.age_days,
        "stale": quote.stale,
        "source": price.source,
    }
