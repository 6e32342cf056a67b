from dataclasses import dataclass

import pytest

from paceline.deploy.gateway.waiting import LONGEST_RETRY_S, FairQueue, ServiceRate


@dataclass(eq=False)
class Item:
    queue_of: str
    queued_at_s: float = 0.0


def drained(queue: FairQueue[Item]) -> list[str]:
    found = []
    while (item := queue.pop()) is not None:
        found.append(item.queue_of)
    return found


def test_a_key_with_many_requests_does_not_hold_up_the_others() -> None:
    queue: FairQueue[Item] = FairQueue()
    for key in ("greedy", "greedy", "greedy", "modest", "other"):
        queue.push(Item(key))
    assert len(queue) == 5
    assert drained(queue) == ["greedy", "modest", "other", "greedy", "greedy"]
    assert len(queue) == 0


def test_whoever_was_served_and_lost_its_replica_comes_first() -> None:
    queue: FairQueue[Item] = FairQueue()
    queue.push(Item("a"))
    queue.push_first(Item("b"))
    queue.push_first(Item("a"))
    assert drained(queue) == ["a", "b", "a"]


def test_those_whose_client_left_are_gone() -> None:
    queue: FairQueue[Item] = FairQueue()
    first, second = Item("a"), Item("a")
    queue.push(first)
    queue.push(second)
    queue.remove(first)
    queue.remove(first)
    assert len(queue) == 1 and queue.pop() is second


def test_the_late_are_taken_out_of_every_line() -> None:
    queue: FairQueue[Item] = FairQueue()
    for key, at_s in (("a", 1.0), ("a", 5.0), ("b", 2.0)):
        queue.push(Item(key, at_s))
    assert queue.oldest_s() == 1.0
    assert [item.queued_at_s for item in queue.waiting_since(3.0)] == [1.0, 2.0]
    assert len(queue) == 1 and queue.oldest_s() == 5.0
    assert drained(queue) == ["a"]
    assert queue.oldest_s() is None


def test_retry_after_is_the_queue_over_the_measured_rate() -> None:
    rate = ServiceRate()
    assert rate.retry_after_s(0.0, 10) is None
    for number in range(4_000):
        rate.ended(number * 0.1)
    assert rate.per_s(400.0) == pytest.approx(10.0, rel=0.05)
    assert rate.retry_after_s(400.0, 100) == pytest.approx(10.0, rel=0.05)
    assert rate.retry_after_s(10_000.0, 100) == LONGEST_RETRY_S, "nothing ended for long"
