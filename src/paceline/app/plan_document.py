"""What a plan holds, as the JSON contract has it: the request, variants, figures predicted of them,
and what was left out. Nothing is computed here, only laid out.
"""

from collections.abc import Mapping

from paceline.app.ledger import Entry, ledger
from paceline.records.plan import Plan, PredictedMetric
from paceline.records.request import Request
from paceline.records.serial import dump
from paceline.records.variant import Variant

Json = Mapping[str, object]


def plan_document(request: Request, plan: Plan) -> Json:
    """The document that `paceline plan --json` prints."""
    return {
        "request": request_document(request),
        "baseline": plan.baseline.id,
        "variants": [
            variant_document(variant) | _foretold(plan, variant) for variant in plan.variants
        ],
        "rejected": [
            left_out_document(entry) | _foretold(plan, entry.rejection.variant)
            for entry in ledger(plan.rejected)
        ],
    }


def _foretold(plan: Plan, variant: Variant) -> dict[str, object]:
    """What was predicted of a variant, under the keys that measured figures have."""
    found = next((p for p in plan.predictions if p.variant_id == variant.id), None)
    if found is None:
        return {"predicted": False}
    return {
        "predicted": True,
        "metrics": {name: predicted_document(metric) for name, metric in found.metrics.items()},
        "requests_at_most": found.requests_at_most,
        "local_trials": found.local_trials,
    }


def predicted_document(metric: PredictedMetric) -> Json:
    """A predicted figure; its band holds the truth for 90 % of what was never seen."""
    return {
        "value": metric.value,
        "unit": metric.unit,
        "band90": [metric.band90.lo, metric.band90.hi],
    }


def request_document(request: Request) -> Json:
    """The request as understood, constraints in the formal grammar."""
    load = request.workload
    return {
        "model": request.model,
        "pipeline": request.pipeline,
        "priority": request.priority.value,
        "constraints": [constraint.text for constraint in request.constraints],
        "workload": {
            "name": load.name,
            "concurrency": load.concurrency,
            "rate_rps": load.rate_rps,
            "arrivals": load.arrivals,
            "input_tokens": load.input_tokens,
            "output_tokens": load.output_tokens,
            "shared_prefix_tokens": load.shared_prefix_tokens,
            "duration_s": load.duration_s,
            "max_requests": load.max_requests,
            "image": None if load.image is None else dump(load.image),
        },
        "engines": list(request.engines),
        "formats": list(request.formats),
        "hardware": list(request.hardware),
        "budget": {"seconds": request.budget.seconds, "usd": request.budget.usd},
        **_price_document(request),
        "seed": request.seed,
        "quality_share": request.quality_share,
        "beside": list(request.beside),
        "mode": request.mode,
        "accept_license": request.accept_license,
    }


def _price_document(request: Request) -> Json:
    """What accelerators are counted at, and in one figure where there is but one."""
    alone = request.prices[0] if len(request.prices) == 1 else None
    usd, source = request.price_usd_per_hour, request.price_source
    if usd is None and alone is not None:
        usd, source = alone.usd_per_hour, alone.source
    prices = [dump(price) for price in request.prices]
    return {"price_usd_per_hour": usd, "price_source": source, "prices": prices}


def variant_document(variant: Variant) -> dict[str, object]:
    """A variant with its id."""
    return {
        "id": variant.id,
        "engine": variant.engine,
        "format": variant.format,
        "accelerator": variant.accelerator,
        "count": variant.count,
        "knobs": dict(variant.knobs),
        "speculation": variant.speculation,
        "unverified": variant.unverified,
    }


def left_out_document(entry: Entry) -> dict[str, object]:
    """One ground, with a variant that it holds for and how many share it."""
    rejection = entry.rejection
    return {
        "variant": variant_document(rejection.variant),
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "have": rejection.have,
        "need": rejection.need,
        "variants": entry.variants,
    }
