"""How many runs a workspace may make, and on what."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.places import Places
from paceline.app.quotas import (
    overage,
    quota_of,
    refuse_if_late,
    refuse_over_quota,
    runs_used,
    within_tier,
)
from paceline.app.wiring import Workshop
from paceline.app.workspaces import (
    all_workspaces,
    limit_workspace,
    set_quota,
    workspace_document,
)
from paceline.clock import ManualClock
from paceline.errors import CapacityError, Code, SpecError
from paceline.records.access import RunQuota, UseLimits
from paceline.records.plan import Plan
from paceline.records.run import RunState
from paceline.records.variant import RejectionReason
from paceline.testing.builders import a_variant
from paceline.testing.stores import a_run

MONTH = f"{ManualClock().utc_now():%Y%m}"


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    vars(shop)["store"] = MemoryStore()
    return shop


def allow(shop: Workshop, quota: RunQuota, workspace: str = "team") -> None:
    set_quota(workspace, quota, shop.store.access, shop.clock)


def begin(shop: Workshop, number: int, *, workspace: str = "team", month: str = MONTH) -> str:
    run = replace(a_run(f"{month}01-12000{number}-ab12"), workspace=workspace)
    shop.store.create_run(run)
    return run.run_id


def end(shop: Workshop, run_id: str, state: RunState) -> None:
    with shop.store.write_run(run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        if state is not RunState.RUNNING:
            writer.move(RunState.RUNNING, state)


def test_without_a_quota_nothing_is_refused(shop: Workshop) -> None:
    for number in range(9):
        begin(shop, number)
    refuse_over_quota("team", shop)
    assert quota_of("team", shop) == RunQuota()


def test_runs_of_the_month_count_and_failed_ones_are_given_back(shop: Workshop) -> None:
    allow(shop, RunQuota(runs_per_month=2))
    begin(shop, 1, month="202001")
    begin(shop, 2, workspace="other")
    refunded = begin(shop, 3)
    begin(shop, 4)
    with pytest.raises(CapacityError, match="this month") as caught:
        refuse_over_quota("team", shop)
    assert caught.value.code is Code.QUOTA_SPENT and "2 this month; its quota is 2" in str(
        caught.value
    )
    refuse_over_quota("other", shop)
    end(shop, refunded, RunState.FAILED)
    refuse_over_quota("team", shop)
    assert len(runs_used("team", shop).this_month) == 1


def test_with_overage_a_run_above_the_quota_is_made_and_counted(shop: Workshop) -> None:
    quota = RunQuota(runs_per_month=1, overage=True)
    allow(shop, quota)
    for number in range(3):
        refuse_over_quota("team", shop)
        begin(shop, number)
    assert overage(quota, runs_used("team", shop)) == 2
    (shown,) = all_workspaces(shop)
    assert workspace_document(shown)["runs"] == {"this_month": 3, "over_quota": 2, "running": 0}


def test_only_so_many_at_once_and_a_killed_one_is_not_under_way(shop: Workshop) -> None:
    allow(shop, RunQuota(concurrent_runs=1))
    run_id = begin(shop, 1)
    with shop.store.write_run(run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        for counted in (False, True):
            with pytest.raises(CapacityError, match="at once"):
                refuse_over_quota("team", shop, counted=counted)
    assert shop.store.run(run_id).state is RunState.RUNNING, "as a killed process leaves it"
    refuse_over_quota("team", shop)


def test_a_run_that_goes_on_was_counted_when_it_began(shop: Workshop) -> None:
    allow(shop, RunQuota(runs_per_month=1))
    begin(shop, 1)
    refuse_over_quota("team", shop, counted=True)
    with pytest.raises(CapacityError):  # as one that failed and was given back
        refuse_over_quota("team", shop, counted=False)


def test_of_runs_that_began_together_the_later_ones_are_too_many(shop: Workshop) -> None:
    allow(shop, RunQuota(runs_per_month=1))
    first, second = (shop.store.run(begin(shop, number)) for number in (1, 2))
    refuse_if_late(first, shop)
    with pytest.raises(CapacityError):
        refuse_if_late(second, shop)


BASE = a_variant()
PLAN = Plan(
    baseline=BASE,
    variants=(BASE, a_variant("openvino", "int8"), a_variant("openvino", "int4")),
    rejected=(),
)


def test_what_is_above_the_tier_is_kept_with_its_reason() -> None:
    plan = within_tier(PLAN, "team", RunQuota(formats=("int8",)))
    assert plan.variants == PLAN.variants[:2], "the baseline is measured in every tier"
    (rejection,) = plan.rejected
    assert rejection.variant == PLAN.variants[2]
    assert (rejection.reason, rejection.have, rejection.need) == (
        RejectionReason.ABOVE_TIER,
        "int8",
        "int4",
    )
    assert within_tier(PLAN, "team", RunQuota()) == PLAN


def test_a_format_that_nothing_has_is_no_tier(shop: Workshop) -> None:
    with pytest.raises(SpecError) as caught:
        allow(shop, RunQuota(formats=("int8", "awq")))
    assert caught.value.code is Code.UNKNOWN_NAME
    assert "awq-4" in (caught.value.fix or "")


def test_an_accelerator_above_the_tier_is_kept_with_its_reason() -> None:
    card = replace(BASE, accelerator="card")
    plan = replace(PLAN, variants=(*PLAN.variants, card))
    found = within_tier(plan, "team", RunQuota(accelerators=(BASE.accelerator,)))
    assert [one.variant for one in found.rejected] == [card]


def test_without_the_baselines_accelerator_there_is_nothing_to_compare() -> None:
    with pytest.raises(SpecError, match="may not use") as caught:
        within_tier(PLAN, "team", RunQuota(accelerators=("card",)))
    assert caught.value.fix == "--hardware card"


@pytest.mark.parametrize("change", [{"runs_per_month": -1}, {"concurrent_runs": -2}])
def test_less_than_none_is_refused(shop: Workshop, change: dict[str, int]) -> None:
    with pytest.raises(SpecError, match="0, for none"):
        allow(shop, RunQuota(**change))  # type: ignore[arg-type]  # its own fields


def test_limits_and_quota_are_changed_apart_and_noted(shop: Workshop) -> None:
    change: list[Callable[[], object]] = [
        lambda: allow(shop, RunQuota(runs_per_month=3)),
        lambda: limit_workspace(
            "team", UseLimits(concurrency=2), shop.store.access, shop.clock, actor="key-1"
        ),
        lambda: allow(shop, RunQuota(runs_per_month=3)),
    ]
    for one in change:
        one()
    (kept,) = shop.store.access.workspaces()
    assert (kept.limits.concurrency, kept.quota.runs_per_month) == (2, 3)
    assert [(one.kind, one.actor, one.detail) for one in shop.store.events()] == [
        ("quota-changed", "local", "runs_per_month none -> 3"),
        ("limits-changed", "key-1", "concurrency none -> 2"),
    ]
