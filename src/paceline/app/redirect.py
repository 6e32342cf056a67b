"""A run under a changed request: every trial that is still valid is judged again, not repeated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.app.exams import loaded_items, needle_of, quality_floors
from paceline.app.figures import Unreadable, footprint_of, load_of, with_figures
from paceline.app.optimize import begin_run
from paceline.app.planning import Planned, plan_request, why_missing, with_price
from paceline.app.race import with_variant
from paceline.app.registry import engine_names, load_engine, usable_engines
from paceline.app.watch import Watch
from paceline.app.wiring import Workshop
from paceline.plan.search import plain
from paceline.ports.engine import why_other_kind
from paceline.records.launch import Cause
from paceline.records.request import Request
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.records.variant import RejectionReason
from paceline.spec.read import Asked, RequestText
from paceline.spec.redirect import Names, Redirected, redirect
from paceline.trial.innocence import LIMIT_SHARE
from paceline.trial.workload import latency_limits_ms

FORETOLD: Final = frozenset(
    {RejectionReason.PREDICTED, RejectionReason.CONSTRAINT, RejectionReason.NO_EFFECT}
)
"""A plan's grounds against a variant that a measurement of it overrules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """The trials of an earlier run: those that hold for the new request, and why others do not."""

    trials: tuple[TrialRecord, ...]
    refused: tuple[str, ...]


def redirect_run(
    run_id: str,
    flags: Asked,
    words: str | None,
    shop: Workshop,
    watch: Watch,
    *,
    file: RequestText | None = None,
) -> RunRecord:
    """Start a new run from an earlier one's request with changes; measure only what is missing.

    Raises SpecError for an unknown run, for words that are not understood (named) and for what
    planning raises.
    """
    earlier = shop.store.run(run_id)
    turned = redirected(run_id, flags, words, shop, file=file)
    planned = plan_request(turned.request, shop)
    request = with_price(turned.request, planned)
    reuse = reusable(earlier, request, planned, shop)
    for trial in reuse.trials:  # a measurement counts more than the prediction that left it out
        planned = replace(planned, plan=with_variant(planned.plan, trial.variant))
    watch.redirected(earlier, turned.changes, len(reuse.trials), reuse.refused)
    return begin_run(
        request,
        planned,
        shop,
        watch,
        carried=reuse.trials,
        redirected_from=earlier.run_id,
        changes=turned.changes,
    )


def redirected(
    run_id: str,
    flags: Asked,
    words: str | None,
    shop: Workshop,
    *,
    file: RequestText | None = None,
) -> Redirected:
    """The changed request alone. Raises SpecError as `redirect_run` does; launches nothing."""
    earlier = shop.store.run(run_id)
    names = _names(earlier, shop)
    return redirect(earlier.request, flags=flags, words=words, names=names, file=file)


def reusable(earlier: RunRecord, request: Request, planned: Planned, shop: Workshop) -> Reuse:
    """Which trials of a run hold under another request, with their figures computed again."""
    ground = _ground(earlier, request, planned, shop)
    if ground is not None:
        return Reuse(trials=(), refused=(ground,))
    kept: list[TrialRecord] = []
    refused: list[str] = []
    for trial in shop.store.trials(earlier.run_id):
        why = _why_not(trial, earlier.request, request, planned)
        if why is None:
            try:
                kept.append(_carried(trial, earlier, request, planned, shop))
            except Unreadable as error:
                why = str(error)
        if why is not None:
            refused.append(f"{trial.variant.label}: {why}")
    return Reuse(trials=tuple(kept), refused=tuple(dict.fromkeys(refused)))


def _ground(earlier: RunRecord, request: Request, planned: Planned, shop: Workshop) -> str | None:
    """Why none of a run's trials can be used."""
    if earlier.model.sha256 != planned.model.sha256:
        was, now = earlier.model.sha256[:12], planned.model.sha256[:12]
        return f"the model has changed: its files hashed to {was}, now to {now}"
    if earlier.request.workload != request.workload:
        return "the workload is another one"
    if earlier.request.seed != request.seed:
        return f"the seed was {earlier.request.seed}, is {request.seed}: other prompts and arrivals"
    if earlier.host is None:
        return "the earlier run did not note its machine"
    return shop.host.fingerprint().change_since(earlier.host)


def _why_not(trial: TrialRecord, before: Request, request: Request, planned: Planned) -> str | None:
    """Why one trial does not hold; failures to launch are facts of their own."""
    plan = planned.plan
    if trial.cause is not Cause.FINISHED:
        return f"it did not finish: {trial.cause.value}"
    out = {rejection.variant: rejection.reason for rejection in plan.rejected}
    if out.get(trial.variant, RejectionReason.PREDICTED) not in FORETOLD:
        return f"no longer wanted ({out[trial.variant]})"
    if not {trial.variant, plain(trial.variant)} & {*plan.variants, *out}:
        return "no longer in the plan"
    version = load_engine(trial.variant.engine).version
    if trial.provenance.engine_version != version:
        return f"{trial.variant.engine} was {trial.provenance.engine_version}, is {version}"
    if trial.quality is not None and _asked(before) != _asked(request):
        return "other questions are asked, or until another limit is clear"
    return _client_doubt(trial, before, request)


def _asked(request: Request) -> tuple[object, ...]:
    """What decides which quality items a trial is asked."""
    return (
        *(request.suite, request.own_suite, request.quality_items, quality_floors(request)),
        *(request.quality_share, request.beside, needle_of(request), loaded_items(request)),
    )


def _client_doubt(trial: TrialRecord, before: Request, request: Request) -> str | None:
    """What it added was little beside the limits of then; is it still, beside tighter ones?"""
    median = trial.metrics.get("ttft_p50_ms")
    limits_ms = [
        min(found, default=median.value if median else 0.0)
        for found in (latency_limits_ms(r.constraints) for r in (before, request))
    ]
    if limits_ms[1] >= limits_ms[0]:
        return None
    added_ms = None if trial.client is None else trial.client.added_ms
    if added_ms is None:
        return (
            f"the load client was judged against {limits_ms[0]:.4g} ms, not against "
            f"{limits_ms[1]:.4g} ms, and what it added is not known"
        )
    if added_ms > LIMIT_SHARE * limits_ms[1]:
        return (
            f"the load client may have added {added_ms:.3g} ms, more than {LIMIT_SHARE:.0%} of "
            f"{limits_ms[1]:.4g} ms"
        )
    return None


def _carried(
    trial: TrialRecord, earlier: RunRecord, request: Request, planned: Planned, shop: Workshop
) -> TrialRecord:
    """The trial under the new request, saying where it comes from. Raises Unreadable."""
    load = load_of(trial, request, shop.archive)
    footprint = footprint_of(trial, request, planned.accelerators)
    again = with_figures(trial, load, trial.quality, footprint)
    origin = trial.origin or earlier.run_id
    return replace(
        again, trial_id=f"{trial.trial_id.partition('@')[0]}@{origin}", origin=origin, checked=None
    )


def _names(earlier: RunRecord, shop: Workshop) -> Names:
    """What words may name: the engines, formats and accelerators of here and of the earlier run."""
    plan = earlier.plan
    known = () if plan is None else (*plan.variants, *(r.variant for r in plan.rejected))
    engines = engine_names()
    formats = [f for engine in usable_engines(with_fake=True).values() for f in engine.formats()]
    ready = {
        name
        for name, engine in usable_engines().items()
        if why_missing(engine, shop) is None and why_other_kind(engine, earlier.model) is None
    }
    return Names(
        on_demand=tuple(name for name in engines if name not in ready),
        by_kind={
            "engine": _distinct(engines, (v.engine for v in known)),
            "format": _distinct(formats, (v.format for v in known)),
            "hardware": _distinct(
                (a.name for a in shop.executor.inventory()), (v.accelerator for v in known)
            ),
        },
    )


def _distinct(*names: Iterable[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for listed in names for name in listed))
