"""The load model decides when to send, told the time."""

from dataclasses import replace

import pytest

from paceline.adapters.load.openai_http.pace import (
    PAUSE_AFTER_BROKEN_S,
    ClosedPace,
    OpenPace,
    Pace,
    Share,
    Turn,
    level_at,
)
from paceline.records.load_plan import Level, LoadPlan
from paceline.testing.load import closed, scheduled
from paceline.units import Seconds


def take_all(pace: Pace, now_s: float) -> list[Turn]:
    turns = []
    while (turn := pace.take(now_s)) is not None:
        turns.append(turn)
    return turns


def conversation(turns: int) -> LoadPlan:
    plan = closed(turns, 1)
    rows = tuple(replace(row, session=0, turn=turn) for turn, row in enumerate(plan.rows))
    return replace(plan, rows=rows, think_s=2.0)


def test_a_closed_loop_keeps_its_level() -> None:
    pace = ClosedPace(closed(5, 2), Share())
    first = take_all(pace, 0.0)
    assert [(turn.serial, turn.scheduled_s) for turn in first] == [(0, 0.0), (1, 0.0)]
    pace.ended(first[0], 1.5, ok=True)
    (third,) = take_all(pace, 1.6)
    # It should have gone out when the slot came free, not when the client got round to it.
    assert (third.serial, third.scheduled_s, third.allowed_s) == (2, 1.5, 1.5)


def test_nothing_starts_before_the_window() -> None:
    for pace in (ClosedPace(closed(5, 2), Share()), OpenPace(scheduled([0.0, 0.1]), Share())):
        assert take_all(pace, -0.02) == []
        assert pace.next_s() == 0.0
        assert take_all(pace, 0.0)


def test_a_closed_loop_ends_after_its_requests() -> None:
    pace = ClosedPace(closed(3, 2), Share())
    turns = take_all(pace, 0.0)
    pace.ended(turns[0], 1.0, ok=True)
    turns += take_all(pace, 1.0)
    pace.ended(turns[1], 2.0, ok=False)
    assert take_all(pace, 2.0) == []
    assert pace.exhausted(2.0)
    assert len(turns) == 3


def test_a_closed_loop_repeats_its_rows_until_the_time_is_over() -> None:
    plan = replace(closed(2, 1), requests=None, duration_s=Seconds(10.0))
    pace = ClosedPace(plan, Share())
    sessions = []
    for second in range(12):
        turn = pace.take(float(second))
        if turn is not None:
            sessions.append((turn.occurrence, turn.row.session))
            pace.ended(turn, second + 0.5, ok=True)
    assert sessions == [(number, number % 2) for number in range(10)]
    assert pace.exhausted(10.0)


def test_a_broken_connection_pauses_its_slot() -> None:
    pace = ClosedPace(closed(5, 1), Share())
    (turn,) = take_all(pace, 0.0)
    pace.ended(turn, 1.0, ok=False, broken=True)
    assert pace.take(1.05) is None
    assert pace.next_s() == pytest.approx(1.0 + PAUSE_AFTER_BROKEN_S)
    assert pace.take(1.0 + PAUSE_AFTER_BROKEN_S) is not None


def test_levels_step_and_ramp() -> None:
    levels = (
        Level(at_s=0.0, in_flight=2.0),
        Level(at_s=10.0, in_flight=2.0, stage=1, ramp=True),
        Level(at_s=20.0, in_flight=6.0, stage=1),
    )
    assert [level_at(levels, at_s).in_flight for at_s in (0, 9, 10, 15, 20, 99)] == [
        2.0,
        2.0,
        2.0,
        4.0,
        6.0,
        6.0,
    ]
    plan = replace(closed(100, 1), levels=levels)
    pace = ClosedPace(plan, Share())
    assert len(take_all(pace, 0.0)) == 2
    ramped = take_all(pace, 15.0)
    assert [(turn.stage, turn.scheduled_s) for turn in ramped] == [(1, 15.0)] * 2


def test_a_falling_level_starts_nothing_until_it_is_reached() -> None:
    levels = (Level(at_s=0.0, in_flight=3.0), Level(at_s=5.0, in_flight=1.0, stage=1))
    pace = ClosedPace(replace(closed(10, 3), levels=levels), Share())
    turns = take_all(pace, 0.0)
    pace.ended(turns[0], 6.0, ok=True)
    pace.ended(turns[1], 6.1, ok=True)
    assert take_all(pace, 6.2) == []
    pace.ended(turns[2], 7.0, ok=True)
    (turn,) = take_all(pace, 7.1)
    assert turn.scheduled_s == 7.0


def test_an_open_loop_follows_its_schedule() -> None:
    pace = OpenPace(scheduled([0.0, 0.5, 0.5, 2.0]), Share())
    assert [turn.scheduled_s for turn in take_all(pace, 0.6)] == [0.0, 0.5, 0.5]
    assert pace.next_s() == 2.0
    assert take_all(pace, 1.9) == []
    assert len(take_all(pace, 2.0)) == 1
    assert pace.exhausted(2.0)


def test_a_full_open_loop_waits_and_keeps_the_schedule() -> None:
    pace = OpenPace(scheduled([0.0, 0.1, 0.2], max_in_flight=1), Share())
    (first,) = take_all(pace, 0.3)
    assert pace.next_s() is None  # nothing but an end can start the next one
    pace.ended(first, 1.0, ok=True)
    (second,) = take_all(pace, 1.01)
    assert (second.scheduled_s, second.allowed_s) == (0.1, 1.0)


def test_what_never_started_is_told() -> None:
    pace = OpenPace(scheduled([0.0, 0.1, 0.2, 9.0], max_in_flight=1), Share())
    take_all(pace, 0.5)
    assert [turn.scheduled_s for turn in pace.waiting(1.0)] == [0.1, 0.2]


def test_a_later_turn_that_never_started_has_a_number_of_its_own() -> None:
    plan = scheduled([0.0, 0.1, 0.2], max_in_flight=1)
    second_turn = replace(plan.rows[0], due_s=None, turn=1)
    pace = OpenPace(replace(plan, rows=(plan.rows[0], second_turn, *plan.rows[1:])), Share())
    (first,) = take_all(pace, 0.0)
    pace.ended(first, 0.05, ok=True)
    assert [(turn.serial, turn.row.turn) for turn in pace.waiting(0.15)] == [(1, 1), (2, 0)]


@pytest.mark.parametrize("kind", [ClosedPace, OpenPace])
def test_a_conversation_goes_on_after_an_answer_and_a_pause(
    kind: type[ClosedPace] | type[OpenPace],
) -> None:
    plan = conversation(3)
    if kind is OpenPace:
        rows = (replace(plan.rows[0], due_s=0.0), *plan.rows[1:])
        plan = replace(plan, rows=rows, levels=(), requests=None)
    pace = kind(plan, Share())
    (first,) = take_all(pace, 0.0)
    pace.ended(first, 1.0, ok=True)
    assert take_all(pace, 2.9) == []
    assert pace.next_s() == 3.0
    (second,) = take_all(pace, 3.0)
    assert (second.row.turn, second.occurrence, second.scheduled_s) == (1, 0, 3.0)
    pace.ended(second, 4.0, ok=False)
    assert pace.take(100.0) is None or kind is ClosedPace  # a failed session does not go on


@pytest.mark.parametrize("of", [2, 3])
def test_shares_add_up_to_the_whole(of: int) -> None:
    paces = [ClosedPace(closed(10, 4), Share(index=index, of=of)) for index in range(of)]
    first = [take_all(pace, 0.0) for pace in paces]
    assert sum(len(turns) for turns in first) == 4
    serials = []
    for pace, turns in zip(paces, first, strict=True):
        running = list(turns)
        while running:
            turn = running.pop()
            serials.append(turn.serial)
            pace.ended(turn, 1.0, ok=True)
            running += take_all(pace, 1.0)
    assert sorted(serials) == list(range(10))


def test_shares_of_a_schedule_are_every_nth_arrival() -> None:
    dues_s = [number / 10 for number in range(7)]
    found = []
    for index in range(2):
        pace = OpenPace(scheduled(dues_s), Share(index=index, of=2))
        found.append([turn.scheduled_s for turn in take_all(pace, 10.0)])
    assert found == [dues_s[::2], dues_s[1::2]]
