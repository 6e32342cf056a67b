from dataclasses import replace

from paceline.deploy.gateway.fleet import Fleet
from paceline.deploy.gateway.limits import NOTHING
from paceline.deploy.gateway.waiting import Waits
from paceline.records.gateway import KeyRule, Table, WorkspaceRule
from paceline.testing.gateway import endpoint, key_rule, replica

URL = "http://127.0.0.1:9"
HOUR_S = 3_600.0


def test_a_clock_that_jumps_makes_no_replica_older_or_younger() -> None:
    fleet: Fleet[Waits] = Fleet()
    old = replica(URL, "old", admitted_at_s=10_000.0)
    table = Table(revision=1, endpoints=(endpoint(old),))
    fleet.follow(table, now_s=50.0, wall_s=10_015.0)
    assert fleet.replicas["old"].admitted_at_s == 35.0
    new = replica("http://127.0.0.1:10", "new", admitted_at_s=10_020.0 - HOUR_S)
    fleet.follow(
        Table(revision=2, endpoints=(endpoint(old, new),)), now_s=55.0, wall_s=10_020.0 - HOUR_S
    )
    assert fleet.replicas["old"].admitted_at_s == 35.0
    assert fleet.replicas["new"].admitted_at_s == 55.0
    late = replica("http://127.0.0.1:11", "late", admitted_at_s=10_030.0)
    fleet.follow(
        Table(revision=3, endpoints=(endpoint(late),)), now_s=60.0, wall_s=10_030.0 - HOUR_S
    )
    assert fleet.replicas["late"].admitted_at_s == 60.0, "admitted just now, not in an hour"


def test_a_name_comes_before_an_alias_of_another_workspace() -> None:
    fleet: Fleet[Waits] = Fleet()
    alias = endpoint(name="a-demo", workspace="a", aliases=("chat", "demo"))
    named = endpoint(name="chat", workspace="b")
    fleet.follow(Table(revision=1, endpoints=(alias, named)), now_s=0.0, wall_s=0.0)
    found = {
        (workspace, name): one.route.name
        for workspace in ("a", "b", None)
        for name in ("chat", "demo")
        if (one := fleet.find(workspace, name)) is not None
    }
    assert found == {
        ("a", "chat"): "a-demo",
        ("a", "demo"): "a-demo",
        ("b", "chat"): "chat",
        (None, "chat"): "chat",
        (None, "demo"): "a-demo",
    }


def keys(*workspaces: str) -> tuple[KeyRule, ...]:
    return tuple(key_rule(f"key-{n}", workspace=name) for n, name in enumerate(workspaces))


def test_a_workspace_that_gets_limits_counts_what_is_in_flight() -> None:
    fleet: Fleet[Waits] = Fleet()
    table = Table(revision=1, endpoints=(), keys=keys("a", "a", "b"))
    fleet.follow(table, now_s=0.0, wall_s=0.0)
    one, other, stranger = fleet.meters.values()
    assert one.admit(0.0, NOTHING) is None
    limited = replace(table, workspaces=(WorkspaceRule(name="a", concurrency=2),))
    fleet.follow(limited, now_s=0.0, wall_s=0.0)
    assert other.admit(0.0, NOTHING) is None
    assert one.admit(0.0, NOTHING) is not None
    assert stranger.admit(0.0, NOTHING) is None
    fleet.follow(table, now_s=0.0, wall_s=0.0)  # no limits any more
    assert one.admit(0.0, NOTHING) is None
    fleet.follow(limited, now_s=0.0, wall_s=0.0)
    assert other.admit(0.0, NOTHING) is not None, "three are in flight"
    for meter in (one, one, other):
        meter.settle(NOTHING, tokens=0, usd=0.0)
    assert other.admit(0.0, NOTHING) is None
