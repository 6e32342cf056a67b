"""Request → Plan: what is measured, what is not, and why."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from paceline.errors import Code, SetupError, SpecError
from paceline.plan.enumerate import EngineOffer, enumerate_variants
from paceline.plan.local.foretell import Lesson, Subject, foretell
from paceline.plan.local.machine import (
    CPU_MEMORY_SHARE,
    bare_device,
    deployment,
    device_of,
    shape_of_counts,
)
from paceline.plan.local.prune import pruned
from paceline.plan.memory import memory_use
from paceline.plan.search import CONTAGIOUS, plain
from paceline.plan.shapes import Shape
from paceline.records.hardware import Accelerator
from paceline.records.model import Model
from paceline.records.plan import Plan, Predicted
from paceline.records.request import Request
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.records.version import FailureFact

WhyNot = Callable[[Variant], str | None]
"""Why an engine cannot run a variant, as its adapter knows it; `None` when it can."""


class Kind(Protocol):
    """What a model of another kind than text has of its own: variants, memory, predictions."""

    def variants(self, offers: Sequence[EngineOffer]) -> tuple[Variant, ...]:
        """As `enumerate_variants`, on the accelerators of the plan."""
        ...

    def rejection(self, variant: Variant) -> Rejection | None:
        """Why it does not fit, with both numbers; `None` when it does."""
        ...

    def foretell(self, variants: Sequence[Variant]) -> tuple[Predicted, ...]:
        """Figures of those of `variants` that can be spoken of."""
        ...


class _Judge:
    """Knows every ground for a rejection except the user's own selection."""

    def __init__(
        self,
        request: Request,
        shape: Shape,
        *,
        offers: Sequence[EngineOffer],
        accelerators: Sequence[Accelerator],
        unsupported: WhyNot,
        no_checkpoint: WhyNot,
        failures: Iterable[FailureFact],
        kind: Kind | None,
    ) -> None:
        self._kind = kind
        self._shape = shape
        self._workload = request.workload
        self._offers = {offer.name: offer for offer in offers}
        self._places = {place.name: place for place in accelerators}
        self._unsupported = unsupported
        self._no_checkpoint = no_checkpoint
        self._failures = {fact.variant.id: fact for fact in failures}

    def rejection(self, variant: Variant) -> Rejection | None:
        # First what no installation would change: nobody is told to install what cannot run here.
        unsupported = self._unsupported(variant)
        if unsupported is not None:
            return _rejected(variant, RejectionReason.UNSUPPORTED, unsupported)
        missing = self._offers[variant.engine].missing
        if missing is not None:
            return _rejected(variant, RejectionReason.ENGINE_NOT_INSTALLED, missing)
        no_checkpoint = self._no_checkpoint(variant)
        if no_checkpoint is not None:
            return _rejected(variant, RejectionReason.NO_CHECKPOINT, no_checkpoint)
        too_large = self._too_large(variant)
        if too_large is not None:
            return too_large
        return self._known_failure(variant) or self._without_effect(variant)

    def _known_failure(self, variant: Variant) -> Rejection | None:
        own = self._failures.get(variant.id)
        at_defaults = self._failures.get(plain(variant).id)
        spreads = at_defaults is not None and at_defaults.cause in CONTAGIOUS
        failure = own or (at_defaults if spreads else None)
        if failure is None:
            return None
        died = f"{failure.variant.label} ended as {failure.cause} in run {failure.run_id}"
        return _rejected(variant, RejectionReason.KNOWN_FAILURE, f"{died}: {failure.detail}")

    def _without_effect(self, variant: Variant) -> Rejection | None:
        """A limit of requests in flight that a closed loop reaches neither changed nor unchanged:
        its rate is that of the variant without the change."""
        most = self._workload.concurrency
        if self._workload.rate_rps is not None or len(variant.knobs) != 1:
            return None
        [(name, value)] = variant.knobs
        knob = next((k for k in self._offers[variant.engine].knobs if k.name == name), None)
        if knob is None or not knob.limits_in_flight:
            return None
        least = min(int(value), int(knob.values[0]))
        if most > least:
            return None
        return Rejection(
            variant=variant,
            reason=RejectionReason.NO_EFFECT,
            detail=f"this load does not tell {name}={value} from {knob.values[0]}",
            have=f"{most} in flight",
            need=f"more than {least}",
        )

    def _too_large(self, variant: Variant) -> Rejection | None:
        if self._kind is not None:
            return self._kind.rejection(variant)
        place = self._places[variant.accelerator]
        device = device_of(place) or bare_device(place)
        laid = deployment(variant, self._shape, device, self._workload)
        if laid is None:
            return None
        share = CPU_MEMORY_SHARE if device.kind == "cpu" else None
        use = memory_use(laid, memory_share=share)
        if use.fits:
            return None
        return Rejection(
            variant=variant,
            reason=RejectionReason.DOES_NOT_FIT,
            detail=f"needs more memory than {place.name} has",
            have=f"{use.have_gib:.1f} GiB of {place.memory_gib:.1f} GiB per device",
            need=use.parts,
        )


def make_plan(
    request: Request,
    model: Model,
    *,
    offers: Sequence[EngineOffer],
    accelerators: Sequence[Accelerator],
    unsupported: WhyNot,
    no_checkpoint: WhyNot = lambda _variant: None,
    failures: Iterable[FailureFact] = (),
    shape: Shape | None = None,
    lessons: Sequence[Lesson] = (),
    kind: Kind | None = None,
) -> Plan:
    """Sort every variant that could exist into measured and rejected.

    `shape` is read from the model's config; without one, its counts stand in. `lessons` are
    finished trials of this machine, which correct what is predicted. `kind` stands in for all
    three where the model does not write text.
    `offers` are in the order in which engines are preferred: the first that can run the model
    unquantized gives the baseline. Raises SpecError when nothing can run at all (a model too
    large: with both numbers), SetupError when the engines asked for are not installed.
    """
    shape = shape or shape_of_counts(model)
    judge = _Judge(
        request,
        shape,
        offers=offers,
        accelerators=accelerators,
        unsupported=unsupported,
        no_checkpoint=no_checkpoint,
        failures=failures,
        kind=kind,
    )
    variants = kind.variants(offers) if kind else enumerate_variants(offers, accelerators)
    grounds = {variant.id: judge.rejection(variant) for variant in variants}
    wanted = [variant for variant in variants if _selected(variant, request, formats=False)]
    _refuse_missing(request, offers, [g for g in grounds.values() if g is not None])
    baseline = _baseline(model, offers, [v for v in wanted if grounds[v.id] is None])
    if baseline is None:
        raise _nothing_runs([g for v in wanted if (g := grounds[v.id]) is not None], request)
    chosen = [baseline]
    rejected: list[Rejection] = []
    for variant in variants:
        ground = grounds[variant.id] or _not_requested(variant, request)
        if variant == baseline:
            continue
        if ground is None:
            chosen.append(variant)
        else:
            rejected.append(ground)
    if kind is not None:
        return _pruned(request, chosen, rejected, kind.foretell(chosen))
    subjects = _subjects(request, model, shape, chosen, accelerators)
    return _pruned(request, chosen, rejected, foretell(subjects, lessons))


def _subjects(
    request: Request,
    model: Model,
    shape: Shape,
    variants: Iterable[Variant],
    accelerators: Sequence[Accelerator],
) -> list[Subject]:
    """What can be asked of the predictor: variants on accelerators that it knows."""
    places = {place.name: place for place in accelerators}
    devices = {name: device_of(place) for name, place in places.items()}
    return [
        Subject(
            variant=variant,
            model=model.sha256,
            shape=shape,
            device=device,
            workload=request.workload,
            usd_per_hour=request.usd_per_hour(variant),
        )
        for variant in variants
        if (device := devices[variant.accelerator]) is not None
    ]


def _pruned(
    request: Request,
    chosen: Sequence[Variant],
    rejected: Sequence[Rejection],
    predictions: tuple[Predicted, ...],
) -> Plan:
    """The plan without what cannot pass or win; predictions of those left out are kept."""
    grounds = pruned(request, chosen, predictions)
    gone = {ground.variant for ground in grounds}
    return Plan(
        baseline=chosen[0],
        variants=tuple(variant for variant in chosen if variant not in gone),
        rejected=(*rejected, *grounds),
        predictions=predictions,
    )


def _baseline(
    model: Model, offers: Sequence[EngineOffer], runnable: Sequence[Variant]
) -> Variant | None:
    """The unquantized variant at default knobs: the checkpoint's own format where one has it.

    Where all parts of an image model fit only by taking turns, with that knob alone. Where nothing
    unquantized can run, the first that can: then quality is relative to that.
    """
    plain = [v for v in runnable if not v.knobs and v.speculation is None]
    plain = plain or [v for v in runnable if v.speculation is None and len(v.knobs) == 1]
    own = [variant for variant in plain if variant.format == model.format]
    first_format = {offer.name: offer.formats[0] for offer in offers}
    nearest = [variant for variant in plain if variant.format == first_format[variant.engine]]
    return next(iter(own or nearest or plain), None)


def _selected(variant: Variant, request: Request, *, formats: bool = True) -> bool:
    return (
        (not request.engines or variant.engine in request.engines)
        and (not request.hardware or variant.accelerator in request.hardware)
        and (not formats or not request.formats or variant.format in request.formats)
    )


def _not_requested(variant: Variant, request: Request) -> Rejection | None:
    if _selected(variant, request):
        return None
    asked = [
        f"--{option} {' '.join(chosen)}"
        for option, chosen, own in (
            ("engine", request.engines, variant.engine),
            ("hardware", request.hardware, variant.accelerator),
            ("format", request.formats, variant.format),
        )
        if chosen and own not in chosen
    ]
    detail = f"the request has {', '.join(asked)}"
    return _rejected(variant, RejectionReason.NOT_REQUESTED, detail)


def _refuse_missing(
    request: Request, offers: Sequence[EngineOffer], grounds: Sequence[Rejection]
) -> None:
    """An engine that was asked for by name must be there, unless it could not run here anyway."""
    absent = {g.variant.engine for g in grounds if g.reason is RejectionReason.ENGINE_NOT_INSTALLED}
    for offer in offers:
        if offer.name in request.engines and offer.name in absent:
            raise SetupError(
                Code.ENGINE_NOT_INSTALLED,
                f"engine {offer.name!r} is not installed",
                why=offer.missing or "it has no environment here",
                fix=f"paceline engines install {offer.name}",
            )


def _nothing_runs(grounds: Sequence[Rejection], request: Request) -> SpecError | SetupError:
    absent = [g for g in grounds if g.reason is RejectionReason.ENGINE_NOT_INSTALLED]
    others = [g for g in grounds if g.reason is not RejectionReason.ENGINE_NOT_INSTALLED]
    large = [g for g in others if g.reason is RejectionReason.DOES_NOT_FIT]
    if not others or (absent and not large):
        names = sorted({ground.variant.engine for ground in absent})
        return SetupError(
            Code.ENGINE_NOT_INSTALLED,
            "no engine that could run it is installed",
            why=f"{', '.join(names) or 'none'} could, without an environment here",
            fix=f"paceline engines install {' '.join(names)}",
        )
    ground = (large or others)[0]
    code = Code.DOES_NOT_FIT if large else Code.UNSUPPORTED
    sides = f"{ground.need}; usable {ground.have}" if large else ground.detail
    return SpecError(
        code,
        f"{request.model!r} in {ground.variant.format} cannot run on {ground.variant.accelerator}",
        why=sides,
        fix="choose a smaller model or shorter requests (--workload chat,input=512,output=128)"
        if large
        else "choose another engine or format (paceline engines list)",
    )


def _rejected(variant: Variant, reason: RejectionReason, detail: str) -> Rejection:
    return Rejection(variant=variant, reason=reason, detail=detail)
