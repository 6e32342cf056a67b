"""What the gateway is told."""

from paceline.deploy.table import Guard, endpoint_route, make_table
from paceline.records.deployment import Phase, Progress
from paceline.records.gateway import KeyRule, Starting
from paceline.testing.deployments import an_endpoint


def test_a_cold_start_is_announced_with_the_time_its_eta_counts_from() -> None:
    told = Progress(phase=Phase.WARM_UP, progress=0.5, eta_s=3.0)
    route = endpoint_route(
        an_endpoint(),
        version=1,
        routes=("/v1/completions",),
        replicas=(),
        starting=(told, 1000.0),
        failed=None,
    )
    assert route.starting == Starting(phase="warm-up", progress=0.5, eta_s=3.0, at_s=1000.0)
    assert (route.name, route.hold_s, route.queue_length) == ("demo", 120.0, 256)


def test_keys_come_from_the_guard_and_nowhere_else() -> None:
    rule = KeyRule(digest="ab", key_id="k1", workspace="default")
    table = make_table(3, (), Guard(keys=(rule,), required=True))
    assert (table.revision, table.keys, table.keys_required) == (3, (rule,), True)
