"""Which version shall serve."""

from dataclasses import replace

from paceline.deploy.rollout import Target, carries_all, is_backed, target
from paceline.records.deployment import Endpoint, FailedVersion
from paceline.records.deployment import ReplicaState as State
from paceline.testing.deployments import an_endpoint

CANARY = replace(an_endpoint(version=2), revision=5)
PLAIN = replace(CANARY, canary=None)


def failed(version: int, endpoint: Endpoint = PLAIN) -> FailedVersion:
    return FailedVersion(
        version=version,
        revision=endpoint.revision,
        phase="engine",
        because="exit 1",
        at_utc="",
    )


def test_the_wanted_version_serves() -> None:
    assert target(PLAIN, 1, (), 3) == Target(version=2, replicas=3)


def test_what_failed_gives_way_to_what_served_before() -> None:
    assert target(PLAIN, 1, (failed(2),), 3) == Target(version=1, replicas=3)


def test_without_anything_before_nothing_serves() -> None:
    nothing = Target(version=None, replicas=0)
    assert target(PLAIN, None, (failed(2),), 3) == nothing
    assert target(PLAIN, 2, (failed(2),), 3) == nothing
    assert target(PLAIN, 1, (failed(1), failed(2)), 3) == nothing


def test_deploying_again_tries_again() -> None:
    earlier = failed(2, replace(PLAIN, revision=4))
    assert target(PLAIN, 1, (earlier,), 1) == Target(version=2, replicas=1)


def test_a_canary_stands_beside_what_serves() -> None:
    assert target(CANARY, 1, (), 2) == Target(version=1, replicas=2, canary=2)
    assert target(CANARY, 1, (), 0) == Target(version=1, replicas=0)


def test_a_first_version_needs_no_canary() -> None:
    assert target(CANARY, None, (), 1) == Target(version=2, replicas=1)


def test_a_version_carries_all_once_it_serves_alone() -> None:
    wanted = Target(version=2, replicas=1)
    assert not carries_all(wanted, [(2, State.STARTING)])
    assert not carries_all(wanted, [(2, State.SERVING), (1, State.SERVING)])
    assert carries_all(wanted, [(2, State.SERVING), (1, State.DRAINING)])
    assert not carries_all(replace(wanted, canary=3), [(2, State.SERVING)])


def test_only_a_version_that_is_rolled_to_has_another_behind_it() -> None:
    assert is_backed(2, PLAIN, 1, ())
    assert not is_backed(1, PLAIN, 1, ()), "the one that it would go back to"
    assert not is_backed(2, PLAIN, 2, ())
    assert not is_backed(2, PLAIN, None, ())
    assert not is_backed(2, PLAIN, 1, (failed(1),))
