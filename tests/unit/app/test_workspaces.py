from dataclasses import replace

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.keys import KeyOrder, create_key
from paceline.app.limits import Spent, spent_this_month
from paceline.app.workspaces import limit_workspace, workspace_rules
from paceline.clock import ManualClock
from paceline.errors import SpecError
from paceline.ports.access import Access
from paceline.records.access import UseLimits
from paceline.records.gateway import WorkspaceRule
from paceline.records.usage import PricedLine, SpoolPosition
from paceline.testing.access import a_line


@pytest.fixture
def access() -> Access:
    return MemoryStore().access


def test_the_gateway_is_told_of_workspaces_with_limits_and_what_is_left(access: Access) -> None:
    clock = ManualClock()
    limits = UseLimits(tokens_per_min=100, budget_usd_per_month=2.0)
    limit_workspace("default", limits, access, ManualClock())
    limit_workspace("free", limits, access, ManualClock())
    limit_workspace("free", UseLimits(), access, ManualClock())
    now_s = clock.utc_now().timestamp()
    lines = [
        PricedLine(line=replace(a_line("a", key_id=None), at_s=now_s), usd=0.5),
        PricedLine(line=replace(a_line("b"), at_s=now_s), usd=0.25),
        PricedLine(line=replace(a_line("c"), at_s=now_s - 32 * 86_400), usd=9.0),
    ]
    access.account("gateway", lines, SpoolPosition())
    assert workspace_rules(access, spent_this_month(access, clock)) == (
        WorkspaceRule(name="default", tokens_per_min=100, budget_left_usd=1.25),
    )


def test_nothing_is_summed_up_where_nobody_has_a_budget(access: Access) -> None:
    clock = ManualClock()
    line = replace(a_line(), at_s=clock.utc_now().timestamp())
    access.account("gateway", [PricedLine(line=line, usd=0.5)], SpoolPosition())
    limit_workspace("default", UseLimits(concurrency=1), access, ManualClock())
    assert spent_this_month(access, clock) == Spent()


@pytest.mark.parametrize("name", ["", "Team", "a/b", "x" * 64])
def test_a_name_that_cannot_be_one_is_refused(access: Access, name: str) -> None:
    with pytest.raises(SpecError, match="cannot be the name of a workspace"):
        limit_workspace(name, UseLimits(), access, ManualClock())
    with pytest.raises(SpecError, match="cannot be the name of a workspace"):
        create_key(KeyOrder(name="a key", workspace=name), access, ManualClock())


def test_a_limit_that_lets_nothing_through_is_refused(access: Access) -> None:
    with pytest.raises(SpecError, match="--monthly-budget is 0"):
        limit_workspace("team", UseLimits(budget_usd_per_month=0.0), access, ManualClock())
    assert access.workspaces() == ()
