"""What a run will take, and whether its budget has room for it: before anything is launched."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from paceline.app.lessons import trials_here
from paceline.app.planning import Planned
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.money import seconds_for, usd_for
from paceline.plan.price import dearest
from paceline.plan.search import estimate
from paceline.records.plan import Plan
from paceline.records.race import Estimate
from paceline.records.request import Request
from paceline.records.trial import TrialRecord
from paceline.units import format_duration

LOOKED_BACK: Final = 5
"""Earlier runs of the model whose trials tell how long a trial takes here."""


def estimated(request: Request, planned: Planned, shop: Workshop) -> Estimate:
    """From earlier runs of this model under this load on this machine, where there are any."""
    found = estimate(planned.plan, request.workload, _history(request, planned, shop))
    return replace(found, usd_per_hour=dearest(request, planned.plan.variants))


def estimate_document(found: Estimate, request: Request) -> Mapping[str, object]:
    """The estimate as JSON: seconds and, where an hour has a price, dollars at the dearest's."""
    seconds = {"least": found.least_s, "likely": found.likely_s, "most": found.most_s}
    price = _usd_per_hour(found, request)
    return {
        "variants": found.variants,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "usd": None
        if price is None
        else {name: usd_for(value, price) for name, value in seconds.items()},
        "from_earlier_trials": found.seen,
    }


def estimate_text(found: Estimate, request: Request) -> str:
    """The estimate in a line."""
    likely_s = min(found.likely_s, request.budget.seconds or found.likely_s)
    price = _usd_per_hour(found, request)
    money = "" if price is None else f", ${usd_for(likely_s, price):.2g}"
    basis = "from earlier trials here" if found.seen else "nothing like it was measured here yet"
    return (
        f"about {format_duration(likely_s)}{money} for {found.variants} variants"
        f" (all of them whole: {format_duration(found.most_s)}); {basis}"
    )


def refuse_too_small(request: Request, found: Estimate) -> None:
    """Raise SpecError when the budget cannot hold the baseline."""
    budget, price = request.budget, _usd_per_hour(found, request)
    limits = [(budget.seconds, format_duration(budget.seconds))] if budget.seconds else []
    if budget.usd is not None and price:
        lasts_s = seconds_for(budget.usd, price)
        limits.append((lasts_s, f"${budget.usd:g} at ${price:g}/h, {format_duration(lasts_s)}"))
    for limit_s, text in limits:
        if limit_s < found.least_s:
            raise SpecError(
                Code.BUDGET_TOO_SMALL,
                "the budget cannot hold the baseline, which every run measures",
                why=f"it takes {format_duration(found.least_s)} at least; the budget is {text}",
                fix=f"--budget {max(1, round(found.likely_s / 60 + 0.5))}m, or a shorter window: "
                f"--workload {request.workload.name},duration=5s",
            )


def refuse_unpriced(request: Request, plan: Plan) -> None:
    """Raise SpecError when the budget is money and something to be measured has no price."""
    unpriced = {v.accelerator for v in plan.variants if request.usd_per_hour(v) is None}
    if request.budget.usd is not None and unpriced:
        raise SpecError(
            Code.BAD_OPTION,
            f"a budget of ${request.budget.usd:g} needs a price",
            why=f"no table knows what an hour of {', '.join(sorted(unpriced))} costs",
            fix="a budget in minutes (--budget 10m), --price USD_PER_HOUR for all accelerators, or"
            " --prices FILE with a row for each",
        )


def _usd_per_hour(found: Estimate, request: Request) -> float | None:
    """Of the dearest variant; estimates of earlier builds lack it, and their requests had one."""
    return request.price_usd_per_hour if found.usd_per_hour is None else found.usd_per_hour


def _history(request: Request, planned: Planned, shop: Workshop) -> list[TrialRecord]:
    runs = [
        run
        for run in shop.store.runs(limit=2 * LOOKED_BACK)
        if run.model.sha256 == planned.model.sha256 and run.request.workload == request.workload
    ]
    here = shop.host.fingerprint()
    return [
        trial
        for run in runs[:LOOKED_BACK]
        for trial in trials_here(run, shop.store, planned.accelerators, here)
    ]
