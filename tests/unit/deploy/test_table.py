"""What the gateway is told."""

from dataclasses import replace

import pytest

from paceline.deploy.table import Guard, endpoint_route, make_table
from paceline.records.deployment import Phase, Progress
from paceline.records.gateway import EndpointRoute, KeyRule, Starting, UnknownParameters
from paceline.testing.deployments import an_endpoint
from paceline.testing.gateway import replica


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


def test_the_gateway_is_told_how_an_endpoint_takes_its_requests() -> None:
    taken = {
        "unknown_parameters": UnknownParameters.DROP,
        "prefix_affine": True,
        "queue_length": 3,
        "aliases": ("chat", "gpt"),
    }
    route = endpoint_route(
        replace(an_endpoint(), **taken),  # type: ignore[arg-type]  # its own fields
        version=1,
        routes=(),
        replicas=(),
        starting=None,
        failed=None,
    )
    assert {name: getattr(route, name) for name in taken} == taken


@pytest.mark.parametrize(("aims_at", "capacity"), [(None, 8), (2.0, 8), (8.5, 9), (32.0, 32)])
def test_a_replica_is_given_as_many_as_the_scaler_aims_at(
    aims_at: float | None, capacity: int
) -> None:
    endpoint = an_endpoint()
    route = endpoint_route(
        replace(endpoint, policy=replace(endpoint.policy, target_in_flight=aims_at)),
        version=1,
        routes=(),
        replicas=(replica("http://127.0.0.1:9", capacity=8),),
        starting=None,
        failed=None,
    )
    assert [one.capacity for one in route.replicas] == [capacity]


def test_keys_come_from_the_guard_and_nowhere_else() -> None:
    rule = KeyRule(digest="ab", key_id="k1", workspace="default")
    table = make_table(3, (), Guard(keys=(rule,), required=True))
    assert (table.revision, table.keys, table.keys_required) == (3, (rule,), True)


def test_an_image_endpoint_has_its_price_and_its_patience() -> None:
    def route(patience_s: float | None, *, said_s: float | None = None) -> EndpointRoute:
        return endpoint_route(
            replace(an_endpoint(), answer_timeout_s=said_s),
            version=1,
            routes=("/v1/images/generations",),
            replicas=(),
            starting=None,
            failed=None,
            usd_per_image=0.002,
            first_byte_timeout_s=patience_s,
        )

    assert route(480.0).usd_per_image == 0.002
    assert route(480.0).answer_timeout_s == 480.0
    assert route(None).answer_timeout_s == 600.0, "texts"
    assert route(480.0).first_byte_timeout_s == 120.0, "of streams"
    assert route(480.0, said_s=30.0).answer_timeout_s == 30.0, "the user's word is the last"
