import pytest

from paceline.deploy.gateway.breaker import (
    FAILURES_IN_A_ROW,
    LONGEST_EJECTION_S,
    TRANSITIONS,
    Breaker,
    BreakerEvent,
    BreakerState,
    may_eject,
)


def fail(breaker: Breaker, times: int, now_s: float = 0.0) -> bool:
    """Whether the last failure put it out."""
    return [breaker.failed(now_s, may_eject=True) for _ in range(times)][-1]


def test_three_failures_in_a_row_put_a_replica_out() -> None:
    breaker = Breaker()
    assert not fail(breaker, FAILURES_IN_A_ROW - 1)
    assert fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN


def test_a_success_between_failures_is_forgiven() -> None:
    breaker = Breaker()
    for _ in range(4):
        assert not fail(breaker, 2)
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_half_of_the_last_answers_failing_puts_it_out_too() -> None:
    breaker = Breaker()
    for _ in range(9):
        fail(breaker, 1)
        breaker.succeeded()
    assert fail(breaker, 1)


def test_after_the_time_out_it_is_tried_and_proved_or_put_out_for_longer() -> None:
    breaker = Breaker()
    fail(breaker, 3)
    assert not breaker.look(0.9)
    assert breaker.look(1.0)
    assert fail(breaker, 1, now_s=1.0), "one failure is enough now"
    assert not breaker.look(2.9) and breaker.look(3.0)
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert not fail(breaker, 2), "its record begins anew"


def test_it_is_never_out_for_longer_than_the_longest() -> None:
    breaker, now_s = Breaker(), 0.0
    fail(breaker, 3)
    for _ in range(20):
        now_s += LONGEST_EJECTION_S
        assert breaker.look(now_s)
        fail(breaker, 1, now_s)


def test_it_stays_in_when_too_many_are_out() -> None:
    breaker = Breaker()
    assert not any(breaker.failed(0.0, may_eject=False) for _ in range(30))
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("out", "replicas", "allowed"),
    [(0, 1, False), (0, 2, True), (1, 2, False), (0, 3, True), (1, 3, False), (1, 4, True)],
)
def test_at_most_half_are_out(out: int, replicas: int, allowed: bool) -> None:
    assert may_eject(out, replicas) is allowed


def test_every_state_can_be_reached_and_left() -> None:
    reached = {state for moves in TRANSITIONS.values() for state in moves.values()}
    assert reached == set(BreakerState) == set(TRANSITIONS)
    assert {event for moves in TRANSITIONS.values() for event in moves} == set(BreakerEvent)
