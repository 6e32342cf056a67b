"""What is remembered, for how long, on which clock."""

import random

from paceline.deploy.memory import MOST_STEP_S, advanced, most, quiet_s, remembered, since_s
from paceline.records.scaling import Memory, Peak
from paceline.testing.scaling import window


def test_the_own_clock_neither_runs_back_nor_far_ahead() -> None:
    memory = advanced(Memory(), 500.0, window(1.0))
    assert memory.clock_s == 0.0
    memory = advanced(memory, 501.0, window(1.0))
    memory = advanced(memory, 90_000.0, window(1.0))
    memory = advanced(memory, 3.0, window(1.0))
    memory = advanced(memory, 4.0, window(1.0))
    assert memory.clock_s == 1.0 + MOST_STEP_S + 0.0 + 1.0


def test_quiet_time_starts_with_the_first_quiet_window_and_ends_with_traffic() -> None:
    memory = advanced(Memory(), 0.0, window(0.0))
    memory = advanced(memory, 1.0, window(0.0))
    assert quiet_s(memory) == 1.0
    memory = advanced(memory, 2.0, window(1.0))
    assert quiet_s(memory) == 0.0


def test_the_service_time_is_kept_when_nothing_ends() -> None:
    memory = advanced(Memory(), 0.0, window(30.0, service_s=3.0))
    memory = advanced(memory, 1.0, window(0.0))
    assert memory.service_s == 3.0


def test_the_largest_of_a_stretch_is_that_of_the_whole_history() -> None:
    chance = random.Random(3)
    peaks: tuple[Peak, ...] = ()
    history: list[float] = []
    for second in range(500):
        history.append(chance.choice((0.0, chance.uniform(0, 10))))
        peaks = remembered(peaks, float(second), history[-1], 30.0)
        assert most(peaks) == max(history[-30:])


def test_never_is_infinitely_long_ago() -> None:
    assert since_s(Memory(clock_s=9.0), None) == float("inf")
    assert since_s(Memory(clock_s=9.0), 4.0) == 5.0
