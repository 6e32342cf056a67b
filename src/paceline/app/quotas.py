"""What a workspace may optimize: how many runs, how many at once, and on what."""

from dataclasses import dataclass, replace
from typing import Final

from paceline.app.wiring import Workshop
from paceline.errors import CapacityError, Code, SpecError
from paceline.records.access import RunQuota, Workspace
from paceline.records.plan import Plan
from paceline.records.run import RunRecord, RunState
from paceline.records.variant import Rejection, RejectionReason, Variant

MONTH_DIGITS: Final = 6
"""A run's id begins with its day in UTC, `20261121`; so much of it is the month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsUsed:
    """Runs of the month that count, oldest first, and those under way now."""

    this_month: tuple[str, ...]
    running: tuple[str, ...]


def quota_of(workspace: str, shop: Workshop) -> RunQuota:
    """Nothing applies where nothing was said."""
    stored = {one.name: one for one in shop.store.access.workspaces()}
    return stored.get(workspace, Workspace(name=workspace)).quota


def runs_used(workspace: str, shop: Workshop) -> RunsUsed:
    """A run that failed is given back; one whose process was killed is not under way."""
    states = shop.store.run_states(workspace)
    abandoned = shop.store.abandoned()
    month = f"{shop.clock.utc_now():%Y%m}"
    return RunsUsed(
        this_month=tuple(
            run_id
            for run_id, state in states.items()
            if run_id[:MONTH_DIGITS] == month and state is not RunState.FAILED
        ),
        running=tuple(
            run_id
            for run_id, state in states.items()
            if state is RunState.RUNNING and run_id not in abandoned
        ),
    )


def overage(quota: RunQuota, used: RunsUsed) -> int:
    """How many of the month's runs are above the quota."""
    if quota.runs_per_month is None:
        return 0
    return max(len(used.this_month) - quota.runs_per_month, 0)


def refuse_over_quota(workspace: str, shop: Workshop, *, counted: bool = False) -> None:
    """Before a run begins. Raises CapacityError `quota-spent`.

    A run that goes on was `counted` when it began, unless it failed and was given back since; only
    those under way stand against it.
    """
    quota, used = quota_of(workspace, shop), runs_used(workspace, shop)
    if not counted and quota.runs_per_month is not None and not quota.overage:
        _refuse_above("this month", len(used.this_month), quota.runs_per_month, workspace)
    if quota.concurrent_runs is not None:
        _refuse_above("at once", len(used.running), quota.concurrent_runs, workspace)


def refuse_if_late(run: RunRecord, shop: Workshop) -> None:
    """After a run was stored: of those that began at the same moment, the later ones are too many.

    Raises CapacityError; the run is to be stored as failed, which gives it back.
    """
    quota, used = quota_of(run.workspace, shop), runs_used(run.workspace, shop)
    before = [run_id for run_id in used.this_month if run_id < run.run_id]
    if quota.runs_per_month is not None and not quota.overage:
        _refuse_above("this month", len(before), quota.runs_per_month, run.workspace)


def within_tier(plan: Plan, workspace: str, quota: RunQuota) -> Plan:
    """The plan without what is above the tier; each of those is kept with its reason.

    Raises SpecError when the baseline's accelerator is: nothing can be compared then.
    """
    baseline = plan.baseline
    if quota.accelerators is not None and baseline.accelerator not in quota.accelerators:
        raise SpecError(
            Code.CONTRADICTION,
            f"workspace {workspace!r} may not use {baseline.accelerator!r}",
            why=f"its quota has {', '.join(quota.accelerators) or 'no accelerator'}",
            fix=f"--hardware {quota.accelerators[0]}"
            if quota.accelerators
            else f"paceline workspaces quota {workspace}",
        )
    out = {
        variant: found
        for variant in plan.variants
        if variant != baseline and (found := _above_tier(variant, baseline, quota)) is not None
    }
    kept = tuple(variant for variant in plan.variants if variant not in out)
    return replace(plan, variants=kept, rejected=(*plan.rejected, *out.values()))


def _above_tier(variant: Variant, baseline: Variant, quota: RunQuota) -> Rejection | None:
    tiers = (
        ("accelerator", variant.accelerator, quota.accelerators),
        ("format", variant.format, quota.formats),
    )
    for kind, has, allowed in tiers:
        if allowed is None or has in allowed or (kind, has) == ("format", baseline.format):
            continue
        return Rejection(
            variant=variant,
            reason=RejectionReason.ABOVE_TIER,
            detail=f"the quota of the workspace does not have this {kind}",
            have=", ".join(allowed) or "none",
            need=has,
        )
    return None


def _refuse_above(when: str, used: int, allowed: int, workspace: str) -> None:
    if used >= allowed:
        raise CapacityError(
            Code.QUOTA_SPENT,
            f"workspace {workspace!r} has no run left {when}",
            why=f"{used} {when}; its quota is {allowed}",
            fix=f"wait, or change it: paceline workspaces quota {workspace}",
        )
