"""Request + what this machine has → Plan."""

from dataclasses import dataclass, replace
from functools import cache

from paceline.app.checkpoints import why_none
from paceline.app.drafting import find_draft, speculations_of
from paceline.app.image_plan import image_kind, refuse_before_fetching
from paceline.app.lessons import failures_here, lessons_here, shape_of_model
from paceline.app.quotas import quota_of, within_tier
from paceline.app.registry import load_engine, usable_engines
from paceline.app.wiring import Workshop
from paceline.plan.enumerate import EngineOffer
from paceline.plan.make import make_plan
from paceline.plan.price import local_prices
from paceline.ports.engine import Engine, Unverified, why_other_kind, why_refused
from paceline.records.hardware import Accelerator
from paceline.records.launch import EnvironmentState
from paceline.records.model import Model
from paceline.records.plan import Plan
from paceline.records.request import DevicePrice, Request
from paceline.records.variant import Variant
from paceline.spec.names import require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and what it was made from."""

    model: Model
    accelerators: tuple[Accelerator, ...]
    plan: Plan
    draft: Model | None = None
    prices: tuple[DevicePrice, ...] = ()


def plan_request(request: Request, shop: Workshop, model: Model | None = None) -> Planned:
    """Find the model, look at the machine, sort the variants. Launches nothing.

    Raises SpecError for a wrong model, engine, format or hardware name, SetupError for missing
    engines.
    """
    for name in request.engines:
        load_engine(name)  # a wrong name is refused before anything else is looked at
    accelerators = shop.executor.inventory()
    _check_hardware(request, accelerators)
    prices = local_prices(request.prices, accelerators, shop.clock.utc_now().date())
    request = _priced(request, prices)
    if model is None:
        refuse_before_fetching(request, shop)
        model = shop.hub.find(request.model)
    kind = image_kind(request, model, accelerators)
    engines = _engines_in_play(request, model)
    _check_formats(request, engines)
    draft = find_draft(request, model, shop.hub)
    by_name = {place.name: place for place in accelerators}
    here = shop.host.fingerprint()

    def unsupported(variant: Variant) -> str | None:
        place = by_name[variant.accelerator]
        return why_refused(engines[variant.engine], model, place, variant.format)

    @cache
    def no_checkpoint(engine: str, format_: str) -> str | None:
        return why_none(engines[engine], model, format_, shop)

    plan = make_plan(
        request,
        model,
        offers=[_offer(engine, shop, draft) for engine in engines.values()],
        accelerators=accelerators,
        unsupported=unsupported,
        no_checkpoint=lambda variant: no_checkpoint(variant.engine, variant.format),
        failures=[
            fact
            for fact in failures_here(shop.store, model.sha256, accelerators, here)
            if fact.variant.engine in engines
            and fact.engine_version == engines[fact.variant.engine].version
        ],
        shape=shape_of_model(model),
        lessons=lessons_here(shop.store, accelerators, here),
        kind=kind,
    )
    plan = within_tier(plan, shop.workspace, quota_of(shop.workspace, shop))
    return Planned(model=model, accelerators=accelerators, plan=plan, draft=draft, prices=prices)


def with_price(request: Request, planned: Planned) -> Request:
    """Prices are part of what was asked, so that a receipt never depends on a later table."""
    return _priced(request, planned.prices)


def _priced(request: Request, prices: tuple[DevicePrice, ...]) -> Request:
    """By accelerator, unless the user gave one price for all: a price with a source is from the
    table of an earlier build, which had none of cards."""
    if request.price_usd_per_hour is not None and request.price_source is None:
        return replace(request, prices=())
    return replace(request, price_usd_per_hour=None, price_source=None, prices=prices)


def _engines_in_play(request: Request, model: Model) -> dict[str, Engine]:
    """Those asked for first and in their order; the rest too, so that the ledger is complete.

    Engines for models of another kind only where they were asked for: then that is the reason.
    """
    asked = {name: load_engine(name) for name in request.engines}
    fitting = {n: e for n, e in usable_engines().items() if why_other_kind(e, model) is None}
    return asked | {name: engine for name, engine in fitting.items() if name not in asked}


def _offer(engine: Engine, shop: Workshop, draft: Model | None) -> EngineOffer:
    return EngineOffer(
        name=engine.name,
        formats=engine.formats(),
        knobs=engine.knobs(),
        speculations=speculations_of(engine, draft),
        missing=why_missing(engine, shop),
        unverified=isinstance(engine, Unverified),
    )


def why_missing(engine: Engine, shop: Workshop) -> str | None:
    """Why an engine has no environment here; `None`: it has one, or needs none."""
    spec = engine.environment()
    if spec is None:
        return None
    status = shop.environments.status(spec)
    return None if status.state is EnvironmentState.INSTALLED else status.detail


def _check_formats(request: Request, engines: dict[str, Engine]) -> None:
    require_known("format", request.formats, {f for e in engines.values() for f in e.formats()})


def _check_hardware(request: Request, accelerators: tuple[Accelerator, ...]) -> None:
    require_known("accelerator", request.hardware, [place.name for place in accelerators])
