"""A replica's time is divided among what it has in flight, and nothing of it twice."""

from dataclasses import replace
from random import Random

import pytest

from paceline.deploy.shares import Shares
from paceline.records.gateway import Ended, UsageLine
from paceline.testing.access import NOON_S, a_line


def began(request_id: str, at_s: float, replica_id: str = "a") -> UsageLine:
    line = a_line(request_id, ended=Ended.BEGAN)
    return replace(line, at_s=NOON_S + at_s, replica_id=replica_id, execution_s=0.0)


def ended(
    request_id: str, at_s: float, took_s: float, replica_id: str | None = "a", how: Ended = Ended.OK
) -> UsageLine:
    line = a_line(request_id, ended=how)
    return replace(line, at_s=NOON_S + at_s, replica_id=replica_id, execution_s=took_s)


def moved(request_id: str, at_s: float, replica_id: str) -> UsageLine:
    return replace(began(request_id, at_s, replica_id), ended=Ended.MOVED)


def had(*lines: UsageLine, shares: Shares | None = None) -> list[float | None]:
    """What those that ended had."""
    kept = shares or Shares()
    found = [(line, kept.take(line)) for line in lines]
    return [share for line, share in found if line.ended not in {Ended.BEGAN, Ended.MOVED}]


def test_a_request_that_is_alone_has_all_of_the_replica() -> None:
    assert had(began("x", 0.0), ended("x", 3.0, 3.0)) == [3.0]


def test_requests_at_once_share_every_moment() -> None:
    lines = (began("x", 0.0), began("y", 2.0), ended("y", 4.0, 2.0), ended("x", 5.0, 5.0))
    assert had(*lines) == [1.0, 4.0], "2 s alone, 2 s shared, 1 s alone"


def test_however_it_ends_it_had_what_it_had() -> None:
    for how in (Ended.ABORTED, Ended.FAILED, Ended.REJECTED):
        assert had(began("x", 0.0), ended("x", 2.0, 2.0, how=how)) == [2.0]


def test_replicas_are_apart() -> None:
    lines = (began("x", 0.0), began("y", 0.0, "b"), ended("y", 2.0, 2.0, "b"), ended("x", 2.0, 2.0))
    assert had(*lines) == [2.0, 2.0]


def test_what_never_reached_a_replica_has_no_share() -> None:
    assert had(ended("x", 2.0, 0.0, None, Ended.REFUSED)) == [None]


def test_what_another_replica_answered_has_its_share_of_that_one() -> None:
    lines = (
        *(began("x", 0.0), began("y", 0.0), began("z", 0.0, "b")),
        *(moved("x", 2.0, "b"), ended("y", 4.0, 4.0)),
        *(ended("z", 6.0, 6.0, "b"), ended("x", 7.0, 5.0, "b")),
    )
    assert had(*lines) == [3.0, 4.0, 3.0], "y: 2 s shared, 2 s alone; z: 2 s alone, 4 s shared"


def test_a_move_whose_beginning_nobody_read_begins_there() -> None:
    assert had(moved("x", 1.0, "b"), ended("x", 3.0, 2.0, "b")) == [2.0]


def test_an_end_elsewhere_than_where_it_began_has_none_and_holds_nobody_up() -> None:
    shares = Shares()
    assert had(began("x", 0.0), ended("x", 9.0, 1.0, "b"), shares=shares) == [None]
    assert had(began("y", 10.0), ended("y", 12.0, 2.0), shares=shares) == [2.0]


def test_ids_that_clients_repeat_are_told_apart_by_replica() -> None:
    lines = (
        *(began("x", 0.0), began("x", 1.0, "b")),
        *(ended("x", 3.0, 2.0, "b"), ended("x", 4.0, 4.0)),
    )
    assert had(*lines) == [2.0, 4.0]


def test_what_a_dead_gateway_had_in_flight_dilutes_nothing_after_it() -> None:
    shares = Shares()
    had(began("lost", 0.0), shares=shares)
    shares.gateway_died(NOON_S + 5.0)
    assert had(began("x", 6.0), ended("x", 8.0, 2.0), shares=shares) == [2.0]
    assert had(ended("lost", 9.0, 9.0), shares=shares) == [None]


def test_lines_of_before_the_death_that_are_read_late_count_as_ever() -> None:
    shares = Shares()
    shares.gateway_died(NOON_S + 5.0)
    assert had(began("x", 1.0), ended("x", 3.0, 2.0), shares=shares) == [2.0]


def test_a_clock_that_jumps_gives_nobody_more_than_it_ran() -> None:
    assert had(began("x", 0.0), ended("x", 3600.0, 2.0)) == [2.0]
    assert had(began("x", 0.0), ended("x", -3600.0, 2.0)) == [0.0]


def test_a_copy_that_was_tried_changes_nothing_until_it_is_taken() -> None:
    shares = Shares()
    shares.take(began("x", 0.0))
    tried = shares.copy()
    assert tried.take(ended("x", 2.0, 2.0)) == 2.0
    tried = shares.copy()
    assert tried.take(ended("x", 2.0, 2.0)) == 2.0
    shares.become(tried)
    assert shares.take(ended("x", 2.0, 2.0)) is None


@pytest.mark.parametrize("seed", range(5))
def test_all_shares_together_are_the_time_in_which_something_was_in_flight(seed: int) -> None:
    chance = Random(seed)
    spans = [(start := chance.uniform(0, 50), start + chance.uniform(0, 20)) for _ in range(60)]
    lines = [began(str(n), start) for n, (start, _) in enumerate(spans)]
    lines += [ended(str(n), end, end - start) for n, (start, end) in enumerate(spans)]
    shares = had(*sorted(lines, key=lambda line: line.at_s))
    busy_s, until_s = 0.0, 0.0
    for start, end in sorted(spans):
        busy_s += max(end - max(start, until_s), 0.0)
        until_s = max(until_s, end)
    assert sum(share or 0.0 for share in shares) == pytest.approx(busy_s)
