"""Workspaces: endpoints and keys that belong together, and what the keys may use in all."""

from dataclasses import asdict, dataclass, replace

from paceline.app.audit import a_note, differences
from paceline.app.limits import (
    Spent,
    budget_left_usd,
    check_limits,
    limits_document,
    month_began_s,
)
from paceline.app.names import NAME
from paceline.app.quotas import RunsUsed, overage, runs_used
from paceline.app.registry import usable_engines
from paceline.app.wiring import Workshop
from paceline.clock import Clock
from paceline.errors import Code, SpecError
from paceline.ports.access import Access
from paceline.records.access import RunQuota, UseLimits, Workspace
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.gateway import WorkspaceRule
from paceline.records.run import AuditEvent
from paceline.records.usage import UsageBy
from paceline.spec.names import require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWorkspace:
    """A workspace with the keys and endpoints that name it, and what the month has cost."""

    workspace: Workspace
    keys: int
    endpoints: tuple[str, ...]
    spent_usd: float
    runs: RunsUsed


def limit_workspace(
    name: str, limits: UseLimits, access: Access, clock: Clock, *, actor: str = LOCAL
) -> Workspace:
    """What its keys may use together from now on; a limit of `None` does not apply.

    Raises SpecError for a name that cannot be one, or a limit that lets nothing through.
    """
    check_workspace_name(name)
    check_limits(limits)
    before = _workspace(name, access)
    changed = differences(before.limits, limits)
    note = a_note(AuditKind.LIMITS_CHANGED, changed, actor=actor, subject=name, clock=clock)
    return _put(replace(before, limits=limits), note, access)


def set_quota(
    name: str, quota: RunQuota, access: Access, clock: Clock, *, actor: str = LOCAL
) -> Workspace:
    """What may be optimized in its name from now on; runs under way go on.

    Raises SpecError for a name that cannot be one, a number below 0 or a format of no
    engine.
    """
    check_workspace_name(name)
    known = {
        form for engine in usable_engines(with_fake=True).values() for form in engine.formats()
    }
    require_known("format", quota.formats or (), known)
    for option, count in (
        ("--runs-per-month", quota.runs_per_month),
        ("--concurrent-runs", quota.concurrent_runs),
    ):
        if count is not None and count < 0:
            raise SpecError(
                Code.BAD_OPTION,
                f"{option} is {count}",
                why="it is 0, for none, or more",
                fix=f"leave {option} out for no limit",
            )
    before = _workspace(name, access)
    changed = differences(before.quota, quota)
    note = a_note(AuditKind.QUOTA_CHANGED, changed, actor=actor, subject=name, clock=clock)
    return _put(replace(before, quota=quota), note, access)


def _workspace(name: str, access: Access) -> Workspace:
    """As it is stored, or a new one."""
    return next((one for one in access.workspaces() if one.name == name), Workspace(name=name))


def _put(workspace: Workspace, note: AuditEvent, access: Access) -> Workspace:
    """Stored together with the note of what changed, where anything did."""
    access.put_workspace(workspace, notes=[note] if note.detail else [])
    return workspace


def all_workspaces(shop: Workshop) -> tuple[ShownWorkspace, ...]:
    """Those with limits, keys or endpoints, by name."""
    access = shop.store.access
    stored = {one.name: one for one in access.workspaces()}
    keys = [key.workspace for key in access.stored_keys()]
    owners = {one.name: one.workspace for one in shop.store.deployments.endpoints()}
    spent = access.spent_usd(by=UsageBy.WORKSPACE, since_s=month_began_s(shop.clock))
    names = sorted({*stored, *keys, *owners.values()})
    return tuple(
        ShownWorkspace(
            workspace=stored.get(name, Workspace(name=name)),
            keys=keys.count(name),
            endpoints=tuple(sorted(one for one, owner in owners.items() if owner == name)),
            spent_usd=spent.get(name, 0.0),
            runs=runs_used(name, shop),
        )
        for name in names
    )


def workspace_rules(access: Access, spent: Spent) -> tuple[WorkspaceRule, ...]:
    """What the gateway is told: those with limits."""
    return tuple(
        WorkspaceRule(
            name=one.name,
            requests_per_min=one.limits.requests_per_min,
            tokens_per_min=one.limits.tokens_per_min,
            concurrency=one.limits.concurrency,
            budget_left_usd=budget_left_usd(one.limits, spent.by_workspace.get(one.name, 0.0)),
        )
        for one in access.workspaces()
        if one.limits != UseLimits()
    )


def check_workspace_name(name: str) -> None:
    """Raises SpecError."""
    if NAME.fullmatch(name) is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{name!r} cannot be the name of a workspace",
            why="it is made of lower-case letters, digits, '.', '_' and '-', at most 63",
            fix="choose another name",
        )


def workspace_document(shown: ShownWorkspace) -> dict[str, object]:
    """As JSON."""
    return {
        "name": shown.workspace.name,
        **limits_document(shown.workspace.limits),
        "spent_usd_this_month": shown.spent_usd,
        "keys": shown.keys,
        "endpoints": shown.endpoints,
        "quota": asdict(shown.workspace.quota),
        "runs": {
            "this_month": len(shown.runs.this_month),
            "over_quota": overage(shown.workspace.quota, shown.runs),
            "running": len(shown.runs.running),
        },
    }
