"""`paceline plan` for an image model on accelerators that are not here: one plan for each of them.

Covers one accelerator per replica. Nothing is launched; figures are predictions with bands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from paceline.app.image_plan import image_kind
from paceline.app.licenses import license_document
from paceline.app.plan_document import predicted_document, request_document, variant_document
from paceline.app.registry import load_engine, usable_engines
from paceline.app.survey import Prices, known_quotes, read_market
from paceline.app.wiring import Workshop
from paceline.errors import PacelineError
from paceline.plan.enumerate import EngineOffer
from paceline.plan.facts.tables import Device
from paceline.plan.images.local import OFFLOAD
from paceline.plan.make import make_plan
from paceline.plan.survey.choose import devices_called
from paceline.plan.survey.pricing import usual
from paceline.ports.engine import Engine, why_other_kind
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.metric_names import COST_USD_PER_IMAGE, REQUESTS_PER_S, latency_name
from paceline.records.model import Model
from paceline.records.plan import Plan, Predicted
from paceline.records.request import Priority, Request
from paceline.records.variant import Knob, Variant

Json = Mapping[str, object]

E2E: Final = latency_name("e2e", "p50")
_OBJECTIVES: Final = {
    Priority.LATENCY: (E2E, 1.0),
    Priority.THROUGHPUT: (REQUESTS_PER_S, -1.0),
}
_COST: Final = (COST_USD_PER_IMAGE, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What one accelerator could do: the variant that should do best, or why none can."""

    accelerator: str
    usd_per_hour: float | None
    variant: Variant | None = None
    predicted: Predicted | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSurveyed:
    """Accelerators in the order of the priority; those that cannot last."""

    request: Request
    model: Model
    placed: tuple[Placed, ...]


def survey_images(request: Request, model: Model, shop: Workshop, prices: Prices) -> ImagesSurveyed:
    """A plan per accelerator that `--hardware` names, each at its own price.

    Raises SpecError for an unknown accelerator, a wrong price file, a request that does not fit
    the model, or a licence that was not accepted.
    """
    quotes = known_quotes(prices.file, shop.clock.utc_now().date())
    market = read_market(prices.market)
    asked = [load_engine(name) for name in request.engines] or usable_engines().values()
    engines = [engine for engine in asked if why_other_kind(engine, model) is None]
    placed = []
    for device in devices_called(request.hardware):
        quote = usual(quotes.get(device.name), market)
        usd = request.price_usd_per_hour
        if usd is None and quote is not None:
            usd = quote.price.usd_per_device_hour
        priced = replace(request, price_usd_per_hour=usd, hardware=())
        placed.append(_placed(priced, model, device, engines))
    return ImagesSurveyed(
        request=request, model=model, placed=tuple(sorted(placed, key=_order(request)))
    )


def _placed(request: Request, model: Model, device: Device, engines: list[Engine]) -> Placed:
    place = Accelerator(
        name=device.name,
        kind=AcceleratorKind(device.kind),
        memory_gib=device.memory_gib,
        available=1,
        compute_capability=device.compute_capability,
        features=device.native,
    )
    by_name = {engine.name: engine for engine in engines}
    usd = request.price_usd_per_hour
    kind = image_kind(request, model, (place,))
    try:
        plan = make_plan(
            request,
            model,
            offers=[
                EngineOffer(name=one.name, formats=one.formats(), knobs=_knobs(one, place))
                for one in engines
            ],
            accelerators=(place,),
            unsupported=lambda v: (
                _vendor(device) or by_name[v.engine].unsupported(model, place, v.format)
            ),
            kind=kind,
        )
    except PacelineError as error:
        why = f"{error.what}: {error.why}"
        return Placed(accelerator=device.name, usd_per_hour=usd, why_not=why)
    variant, predicted = _best(request, plan)
    return Placed(accelerator=device.name, usd_per_hour=usd, variant=variant, predicted=predicted)


def _knobs(engine: Engine, place: Accelerator) -> tuple[Knob, ...]:
    """Engines offer taking turns where there is a card; here none has to be."""
    known = engine.knobs()
    if place.kind is AcceleratorKind.CPU or any(knob.name == OFFLOAD for knob in known):
        return known
    return (*known, Knob(name=OFFLOAD, values=(False, True), when="a card too small for all parts"))


def _vendor(device: Device) -> str | None:
    if device.vendor == "NVIDIA" or device.kind == "cpu":
        return None
    return f"the image server has no back end for {device.vendor}: NVIDIA and processors"


def _best(request: Request, plan: Plan) -> tuple[Variant, Predicted | None]:
    by_id = {variant.id: variant for variant in plan.variants}
    name, sign = _OBJECTIVES.get(request.priority, _COST)
    said = [one for one in plan.predictions if one.variant_id in by_id]
    if request.price_usd_per_hour is None and name == COST_USD_PER_IMAGE:
        name, sign = E2E, 1.0
    known = [one for one in said if name in one.metrics]
    if not known:
        return plan.baseline, None
    best = min(known, key=lambda one: sign * one.metrics[name].value)
    return by_id[best.variant_id], best


def _order(request: Request) -> Callable[[Placed], tuple[int, float]]:
    name, sign = _OBJECTIVES.get(request.priority, _COST)

    def key(one: Placed) -> tuple[int, float]:
        if one.predicted is None:
            return 2, 0.0
        metric = one.predicted.metrics.get(name)
        return (1, 0.0) if metric is None else (0, sign * metric.value)

    return key


def images_document(found: ImagesSurveyed) -> Json:
    """The document that `paceline plan --json` prints for an image model and the tables."""
    return {
        "predicted": True,
        "request": request_document(found.request),
        "license": license_document(found.model),
        "by_accelerator": [_document(one) for one in found.placed],
    }


def _document(one: Placed) -> Json:
    figures = {} if one.predicted is None else one.predicted.metrics
    return {
        "accelerator": one.accelerator,
        "usd_per_hour": one.usd_per_hour,
        "variant": None if one.variant is None else variant_document(one.variant),
        "metrics": {name: predicted_document(metric) for name, metric in figures.items()},
        "why_not": one.why_not,
    }
