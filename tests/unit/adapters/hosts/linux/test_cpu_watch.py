"""Whose CPU time it was."""

import pytest

from paceline.adapters.hosts.linux.cpu_watch import (
    TICKS_PER_S,
    CpuTimes,
    cores_s,
    foreign_share,
    read_cpu_times,
)

STAT = """\
cpu  9999 0 0 0 0 0 0 0 0 0
cpu0 100 20 30 1000 50 7 8 5 40 0
cpu1 200 0 0 800 0 0 0 0 0 0
cpu10 1 1 1 1 1 1 1 1 1 1
intr 12345 0
"""


def times(total_s: float, busy_s: float, own_s: float) -> CpuTimes:
    return CpuTimes(total_s=total_s, busy_s=busy_s, own_s=own_s)


def test_only_usable_cores_count_and_guest_time_is_not_counted_twice() -> None:
    total_s, busy_s = cores_s(STAT, {0, 1})
    assert total_s * TICKS_PER_S == pytest.approx(1220 + 1000)
    assert busy_s * TICKS_PER_S == pytest.approx(155 + 200)


@pytest.mark.parametrize(
    ("end", "share"),
    [
        (times(20.0, 10.0, 10.0), 0.0),  # all of it ours
        (times(20.0, 10.0, 0.0), 0.5),  # none of it ours
        (times(20.0, 10.0, 6.0), 0.2),
        (times(20.0, 9.9, 10.0), 0.0),  # ticks and exact times disagree a little
        (times(0.0, 0.0, 0.0), None),
    ],
)
def test_what_is_not_ours_is_foreign(end: CpuTimes, share: float | None) -> None:
    found = foreign_share(times(0.0, 0.0, 0.0), end)
    assert found == (None if share is None else pytest.approx(share))


def test_own_time_grows_with_own_work() -> None:
    before = read_cpu_times()
    while read_cpu_times().own_s < before.own_s + 0.02:
        sum(range(10_000))
    after = read_cpu_times()
    assert after.own_s > before.own_s
    assert after.total_s >= before.total_s
