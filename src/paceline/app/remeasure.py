"""A receipt's baseline and winner launched again: `paceline verify --remeasure`.

The trials are a campaign like any other, under the receipt's own request, but nothing of them is
stored: no run, no version. Their samples and logs lie where those of runs lie.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from paceline import __version__
from paceline.app.campaign import Campaign
from paceline.app.planning import Planned, plan_request
from paceline.app.race import Race
from paceline.app.registry import adapter
from paceline.app.serving.devices import measuring_alone
from paceline.app.verify import read_receipt
from paceline.app.watch import Watch
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.plan.search import Step, Stop
from paceline.ports.store import Store
from paceline.rank.again import figures_again, order_again
from paceline.records.plan import Plan
from paceline.records.receipt import Receipt, Remeasured
from paceline.records.request import Budget, Request
from paceline.records.run import RunRecord, RunState, run_id_of
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant

LAUNCHES: Final = 2
"""Of each variant: noise between launches exceeds noise within one (docs/decisions/0002)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What is launched again, the baseline first."""

    receipt: Receipt
    request: Request
    planned: Planned
    winner: Variant

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(dict.fromkeys([self.receipt.plan.baseline, self.winner]))


class _Again(Race):
    """Every variant of the plan as often as it takes, in turn; nothing is pruned."""

    def next(
        self, plan: Plan, trials: Sequence[TrialRecord], *, left_s: float | None
    ) -> Step | Stop:
        for repeat in range(LAUNCHES):
            for variant in plan.variants:
                if not any(t.variant == variant and t.repeat == repeat for t in trials):
                    return Step(variant=variant, repeat=repeat, because="measured again")
        return Stop(because="both were measured again")


def remeasure(path: Path, shop: Workshop, watch: Watch) -> Remeasured:
    """Launch the receipt's baseline and winner again and compare; takes minutes.

    Raises SpecError when there is no winner, when the model has changed or one of the two cannot
    run here, SetupError for a missing engine, CapacityError when something else uses the device.
    """
    chosen = _choose(read_receipt(path), shop)
    receipt = chosen.receipt
    run_id, trials = _measured(chosen, shop, watch)
    order, because = order_again(receipt, trials, chosen.winner)
    return Remeasured(
        run_id=run_id,
        figures=figures_again(receipt, trials, chosen.variants),
        order=order,
        order_because=because,
        elsewhere=shop.host.fingerprint().change_since(receipt.host),
    )


def _choose(receipt: Receipt, shop: Workshop) -> _Chosen:
    ranked = {one.variant.id: one.variant for one in receipt.ranking.ranked}
    winner = ranked.get(receipt.ranking.winner or "")
    if winner is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"run {receipt.run_id} has no winner",
            why="no variant met its constraints, so there is no choice to check",
            fix="paceline verify RECEIPT, without --remeasure",
        )
    request = replace(receipt.request, budget=Budget())  # four launches, however long they take
    model = shop.hub.find(receipt.model.source or request.model)
    if model.sha256 != receipt.model.sha256:
        raise SpecError(
            Code.BAD_MODEL,
            f"the model {request.model!r} is not the one of the receipt",
            why=f"its files hashed to {receipt.model.sha256[:12]}, now to {model.sha256[:12]}",
            fix="put that model back, or start a new run",
        )
    planned = plan_request(request, shop, model=model)
    baseline = receipt.plan.baseline
    variants = tuple(dict.fromkeys([baseline, winner]))
    _refuse_impossible(variants, planned)
    plan = Plan(baseline=baseline, variants=variants, rejected=())
    planned = replace(planned, plan=plan)
    return _Chosen(receipt=receipt, request=request, planned=planned, winner=winner)


def _refuse_impossible(variants: Sequence[Variant], planned: Planned) -> None:
    here = {place.name for place in planned.accelerators}
    for variant in variants:
        if variant.accelerator not in here:
            raise SpecError(
                Code.UNSUPPORTED,
                f"{variant.label} cannot be measured again here",
                why=f"it ran on {variant.accelerator}; this machine has {', '.join(sorted(here))}",
                fix="run this on the machine that the receipt names under `host`",
            )


def _measured(chosen: _Chosen, shop: Workshop, watch: Watch) -> tuple[str, tuple[TrialRecord, ...]]:
    make: Callable[[], Store] = adapter("stores", "memory")
    store = make()
    aside = Workshop(shop.places, shop.clock, share_device=shop.share_device)
    aside.store = store
    planned, now = chosen.planned, shop.clock.utc_now()
    run = RunRecord(
        run_id=run_id_of(now, secrets.token_hex(2)),
        request=chosen.request,
        model=planned.model,
        software_version=__version__,
        created_at_utc=now.isoformat(timespec="seconds"),
        plan=planned.plan,
        host=shop.host.fingerprint(),
    )
    names = {variant.accelerator for variant in chosen.variants}
    with measuring_alone(shop.places.data / "devices", names, share=shop.share_device):
        shop.executor.sweep()
        store.create_run(run)
        with store.write_run(run.run_id) as writer:
            writer.move(RunState.PLANNED, RunState.RUNNING)
            watch.planned(run, planned.plan)
            again = _Again(run.request)
            Campaign(run, planned, aside, writer, watch, search=again).measure()
    return run.run_id, tuple(store.trials(run.run_id))
