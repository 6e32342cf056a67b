"""What a run will take, and whether its budget has room for it: before anything is launched."""

from collections.abc import Mapping
from typing import Final

from paceline.app.lessons import trials_here
from paceline.app.planning import Planned
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.money import seconds_for, usd_for
from paceline.plan.search import estimate
from paceline.records.race import Estimate
from paceline.records.request import Request
from paceline.records.trial import TrialRecord
from paceline.units import format_duration

LOOKED_BACK: Final = 5
"""Earlier runs of the model whose trials tell how long a trial takes here."""


def estimated(request: Request, planned: Planned, shop: Workshop) -> Estimate:
    """From earlier runs of this model under this load on this machine, where there are any."""
    return estimate(planned.plan, request.workload, _history(request, planned, shop))


def estimate_document(found: Estimate, request: Request) -> Mapping[str, object]:
    """The estimate as JSON: seconds and, where an hour has a price, dollars."""
    seconds = {"least": found.least_s, "likely": found.likely_s, "most": found.most_s}
    price = request.price_usd_per_hour
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
    price = request.price_usd_per_hour
    money = "" if price is None else f", ${usd_for(likely_s, price):.2g}"
    basis = "from earlier trials here" if found.seen else "nothing like it was measured here yet"
    return (
        f"about {format_duration(likely_s)}{money} for {found.variants} variants"
        f" (all of them whole: {format_duration(found.most_s)}); {basis}"
    )


def refuse_too_small(request: Request, found: Estimate) -> None:
    """Raise SpecError when the budget cannot hold the baseline, or is money without a price."""
    budget, price = request.budget, request.price_usd_per_hour
    if budget.usd is not None and price is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"a budget of ${budget.usd:g} needs a price",
            why="no table knows what an hour of this accelerator costs",
            fix="a budget in minutes (--budget 10m), or `paceline optimize --price USD_PER_HOUR`",
        )
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
