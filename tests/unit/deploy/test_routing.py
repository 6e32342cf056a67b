from collections import Counter
from dataclasses import dataclass

import pytest

from paceline.deploy.routing import FIRST_WEIGHT, RAMP_S, choose, weight

OLD_S = -1e9


@dataclass(kw_only=True)
class Some:
    """A replica with what matters here."""

    replica_id: str = "r"
    capacity: int = 10
    in_flight: int = 0
    admitted_at_s: float = OLD_S
    share: float | None = None
    closed: bool = False


def fill(replicas: list[Some], requests: int) -> Counter[str]:
    """Give requests that never end, one draw after the other."""
    given: Counter[str] = Counter()
    for number in range(requests):
        chosen = choose(replicas, now_s=0.0, draw=number / requests)
        assert chosen is not None
        chosen.in_flight += 1
        given[chosen.replica_id] += 1
    return given


def test_unlike_replicas_share_by_their_capacity() -> None:
    replicas = [Some(replica_id="small", capacity=10), Some(replica_id="large", capacity=90)]
    assert fill(replicas, 50) == {"small": 5, "large": 45}


def test_no_replica_is_given_more_than_its_capacity() -> None:
    replicas = [Some(replica_id="a", capacity=2), Some(replica_id="b", capacity=3)]
    assert fill(replicas, 5) == {"a": 2, "b": 3}
    assert choose(replicas, now_s=0.0, draw=0.5) is None


def test_closed_replicas_and_no_replicas_get_nothing() -> None:
    assert choose([Some(closed=True)], now_s=0.0, draw=0.0) is None
    assert choose([], now_s=0.0, draw=0.0) is None


def test_between_equals_the_draw_decides() -> None:
    replicas = [Some(replica_id=name) for name in "abcd"]
    chosen = [choose(replicas, now_s=0.0, draw=draw) for draw in (0.0, 0.3, 0.6, 0.9)]
    assert [one.replica_id for one in chosen if one] == ["a", "b", "c", "d"]


def test_a_new_replica_gets_a_growing_share() -> None:
    assert weight(-1.0) == weight(0.0) == FIRST_WEIGHT
    assert weight(0.0) < weight(RAMP_S / 2) < weight(RAMP_S) == 1.0
    replicas = [
        Some(replica_id="new", capacity=100, admitted_at_s=0.0),
        Some(replica_id="old", capacity=100),
    ]
    given = fill(replicas, 55)
    assert given["new"] == pytest.approx(5, abs=1)


def test_a_new_replica_that_is_alone_takes_everything_at_once() -> None:
    assert fill([Some(admitted_at_s=0.0)], 10) == {"r": 10}


def test_a_canary_gets_its_share_by_the_draw() -> None:
    replicas = [
        Some(replica_id="canary", capacity=1000, share=0.05),
        Some(replica_id="a", capacity=1000),
        Some(replica_id="b", capacity=1000),
    ]
    given = fill(replicas, 1000)
    assert given["canary"] == 50
    assert abs(given["a"] - given["b"]) <= 1, "the draw still decides between the others"


@pytest.mark.parametrize("full", ["canary", "a"])
def test_when_one_side_is_full_the_other_takes_over(full: str) -> None:
    replicas = [Some(replica_id="canary", share=0.5), Some(replica_id="a")]
    next(one for one in replicas if one.replica_id == full).in_flight = 10
    for draw in (0.0, 0.99):
        chosen = choose(replicas, now_s=0.0, draw=draw)
        assert chosen is not None and chosen.replica_id != full


def owners(replicas: list[Some]) -> list[str]:
    chosen = [
        choose(replicas, now_s=0.0, draw=0.0, prefix=b"prompt %d" % number) for number in range(300)
    ]
    return [one.replica_id for one in chosen if one is not None]


def test_a_prefix_keeps_its_replica_and_prefixes_spread_evenly() -> None:
    replicas = [Some(replica_id=name) for name in ("r1", "r2", "r3")]
    assert owners(replicas) == owners(replicas[::-1])
    assert all(70 < count < 130 for count in Counter(owners(replicas)).values())


def test_a_replica_that_goes_moves_only_its_own_prefixes() -> None:
    replicas = [Some(replica_id=name) for name in ("r1", "r2", "r3")]
    before, after = owners(replicas), owners(replicas[:2])
    assert all(old == new for old, new in zip(before, after, strict=True) if old != "r3")


def test_a_prefix_leaves_a_replica_that_is_much_busier() -> None:
    replicas = [Some(replica_id=name, capacity=100) for name in ("r1", "r2", "r3")]
    owner = choose(replicas, now_s=0.0, draw=0.0, prefix=b"popular")
    assert owner is not None
    owner.in_flight = 50
    other = choose(replicas, now_s=0.0, draw=0.0, prefix=b"popular")
    assert other is not None and other is not owner
