"""Every rule of the designed policy, one situation each."""

from dataclasses import replace

import pytest

from paceline.deploy.policies.paceline import cold_start_budget_s, decide, idle_timeout_s
from paceline.records.scaling import Decision, Memory, Mode, PacelinePolicy, Peak, Replica
from paceline.records.traffic import Window
from paceline.testing.scaling import NOW_S, REPLICA, fleet, window

POLICY = PacelinePolicy()
QUIET = Memory(clock_s=1000.0, seen_s=5000.0, quiet_since_s=700.0)


def test_goes_up_at_once_to_what_a_minute_of_load_needs() -> None:
    decision = decide(window(50.0), fleet(1), POLICY, NOW_S)
    assert decision.replicas == 3
    assert decision.because == "50.0 requests over 60 s at 24 per replica"


def test_starting_replicas_count_as_supply() -> None:
    assert decide(window(50.0), fleet(3, starting=2), POLICY, NOW_S).replicas == 3


def test_does_not_go_up_for_load_that_is_over() -> None:
    assert decide(window(50.0, recent=10.0), fleet(2), POLICY, NOW_S).replicas == 2


def test_a_burst_of_twice_the_supply_goes_up_within_six_seconds() -> None:
    decision = decide(window(5.0, recent=100.0), fleet(1), POLICY, NOW_S)
    assert decision.replicas == 5
    assert decision.because.startswith("burst: 100.0 requests over 6 s")


def test_no_decrease_for_a_minute_after_a_burst() -> None:
    decision = decide(window(5.0, recent=100.0), fleet(2), POLICY, NOW_S)
    wanted, memory = decision.replicas, decision.memory
    for second in range(1, 60):
        state = fleet(wanted, memory=memory)
        decision = decide(window(0.0), state, POLICY, NOW_S + second)
        assert decision.replicas == wanted, f"{second} s after the burst"
        memory = decision.memory
    later = decide(window(0.0), fleet(wanted, memory=memory), POLICY, NOW_S + 60)
    assert later.replicas == wanted - 1


def test_a_queue_counts_for_the_work_it_is_not_for_its_length() -> None:
    """150 requests of 2 s are done before a replica that takes 45 s to start is there."""
    held = window(20.0, waiting=150.0, service_s=2.0)
    assert decide(held, fleet(2), POLICY, NOW_S).replicas == 2
    quick_start = fleet(2, replica=replace(REPLICA, cold_start_s=2.0))
    assert decide(held, quick_start, POLICY, NOW_S).replicas > 2


def test_waits_add_one_only_where_the_queue_outlasts_a_cold_start() -> None:
    waits_s = (0.0, *([9.0] * 20))
    short = replace(window(12.0, waits_s=waits_s), queued=30)
    assert decide(short, fleet(1), POLICY, NOW_S).replicas == 1
    long = replace(window(12.0, waits_s=waits_s, service_s=20.0), queued=200)
    decision = decide(long, fleet(1), POLICY, NOW_S)
    assert decision.because == "p90 wait 9.0 s is above 4 s"
    assert decision.replicas == 2


def test_before_anything_ended_a_queue_counts_in_full() -> None:
    unknown = replace(window(0.0, waiting=60.0), ended=(0,) * 60)
    assert decide(unknown, fleet(1, ready=0, starting=1), POLICY, NOW_S).replicas == 3


def step(decision: Decision, load: float, wanted: int, second: int) -> Decision:
    return decide(window(load), fleet(wanted, memory=decision.memory), POLICY, NOW_S + second)


def test_goes_down_late_and_one_at_a_time() -> None:
    decision = decide(window(70.0), fleet(3), POLICY, NOW_S)
    wanted, counts = 3, []
    for second in range(1, 40):
        decision = step(decision, 2.0, wanted, second)
        counts.append(decision.replicas)
        wanted = decision.replicas
    assert counts[28] == 3, "thirty seconds have not passed"
    assert counts[29:32] == [2, 1, 1]


def test_waits_for_one_that_is_still_ending() -> None:
    decision = decide(window(1.0), fleet(3, stopping=1), POLICY, NOW_S)
    assert (decision.replicas, decision.because) == (3, "1 still ending; one at a time")


def test_stays_when_fewer_would_be_near_their_target() -> None:
    decision = decide(window(22.0), fleet(2), POLICY, NOW_S)
    assert decision.replicas == 2
    assert decision.because.startswith("1 would be at ")


def test_stays_when_fewer_would_not_carry_the_last_peak() -> None:
    memory = Memory(clock_s=1000.0, seen_s=5000.0, peaks=(Peak(at_s=500.0, value=23.0),))
    assert decide(window(10.0), fleet(2, memory=memory), POLICY, NOW_S).replicas == 2
    old = replace(memory, peaks=(Peak(at_s=399.0, value=23.0),))
    assert decide(window(10.0), fleet(2, memory=old), POLICY, NOW_S).replicas == 1


def test_a_peak_does_not_hold_replicas_once_the_traffic_is_gone() -> None:
    memory = Memory(clock_s=1000.0, seen_s=5000.0, peaks=(Peak(at_s=900.0, value=23.0),))
    assert decide(window(3.0), fleet(2, memory=memory), POLICY, NOW_S).replicas == 1


def test_who_has_only_begun_to_watch_takes_nothing_away() -> None:
    fresh = fleet(3, memory=Memory())
    decision = decide(window(0.0, seconds=10), fresh, POLICY, NOW_S)
    assert (decision.replicas, decision.because) == (3, "watching for 0 s only")


def test_to_zero_after_the_idle_timeout_all_at_once() -> None:
    assert idle_timeout_s(POLICY, REPLICA) == 180.0
    waiting = replace(QUIET, quiet_since_s=1001.0 - 179.0)
    stays = decide(window(0.0), fleet(1, memory=waiting), POLICY, NOW_S)
    assert (stays.replicas, stays.because) == (1, "idle for 179 s of 180 s")
    goes = decide(window(0.0), fleet(1, memory=QUIET), POLICY, NOW_S)
    assert (goes.replicas, goes.because) == (0, "idle for 301 s")


def test_the_idle_timeout_is_worth_its_cold_start_up_to_five_minutes() -> None:
    def timeout_s(cold_start_s: float) -> float:
        return idle_timeout_s(POLICY, replace(REPLICA, cold_start_s=cold_start_s))

    seconds = (10.0, 30.0, 45.0, 60.0, 75.0, 400.0)
    assert [timeout_s(s) for s in seconds] == [20, 80, 180, 240, 300, 300]
    assert timeout_s(0.0) == 60, "not measured"
    assert idle_timeout_s(PacelinePolicy(idle_timeout_s=7.0), REPLICA) == 7.0


def test_active_mode_and_slow_starters_keep_the_last_one() -> None:
    active = decide(window(0.0), fleet(1, memory=QUIET), PacelinePolicy(mode=Mode.ACTIVE), NOW_S)
    assert (active.replicas, active.because) == (1, "active: the last one stays")
    slow = replace(REPLICA, cold_start_s=500.0)
    kept = decide(window(0.0), fleet(1, memory=QUIET, replica=slow), POLICY, NOW_S)
    assert kept.replicas == 1
    assert kept.because == "a cold start of 500 s is over the budget of 420 s"


def test_a_start_may_take_what_is_usual_for_what_is_served_unless_the_user_says() -> None:
    image = replace(REPLICA, cold_start_budget_s=240.0)
    assert cold_start_budget_s(PacelinePolicy(), REPLICA) == 420.0
    assert cold_start_budget_s(PacelinePolicy(), image) == 240.0
    assert cold_start_budget_s(PacelinePolicy(cold_start_budget_s=60.0), image) == 60.0


def test_a_clock_that_jumps_neither_empties_nor_freezes_the_fleet() -> None:
    memory = replace(QUIET, quiet_since_s=990.0)
    for jump_s in (86_400.0, -86_400.0):
        after = decide(window(0.0), fleet(1, memory=memory), POLICY, NOW_S + jump_s)
        assert after.replicas == 1, "ten seconds idle, whatever the clock says"
        state, idle = after, 0
        for second in range(1, 300):
            now_s = NOW_S + jump_s + second
            state = decide(window(0.0), fleet(1, memory=state.memory), POLICY, now_s)
            idle += state.replicas
        assert state.replicas == 0
        assert 160 <= idle <= 175, "seconds until it went to zero"


def test_a_replica_goes_where_the_others_have_room_by_the_users_own_target() -> None:
    policy = PacelinePolicy(target_in_flight=4.0 * REPLICA.concurrency)
    assert decide(window(1.2 * REPLICA.concurrency), fleet(2), policy, NOW_S).replicas == 1


def test_an_own_target_wins_over_the_measured_concurrency() -> None:
    assert decide(window(50.0), fleet(1), PacelinePolicy(target_in_flight=10), NOW_S).replicas == 5


QUICK = replace(REPLICA, cold_start_s=9.0)
"""Starts in a fifth of the time that the holds were designed for."""
OVER = window(0.0, service_s=2.0)


def first_down_s(policy: PacelinePolicy, before: Window, replica: Replica) -> int:
    """Seconds from the end of the traffic of `before` until one fewer is wanted."""
    policy = replace(policy, idle_timeout_s=300.0)
    first = decide(before, fleet(3, replica=replica), policy, NOW_S)
    decision, second = first, 0
    while decision.replicas == first.replicas:
        second += 1
        state = fleet(first.replicas, memory=decision.memory, replica=replica)
        decision = decide(OVER, state, policy, NOW_S + second)
    return second


@pytest.mark.parametrize(
    ("policy", "replica", "first_s"),
    [
        (POLICY, REPLICA, 30),
        (POLICY, QUICK, 6),
        (PacelinePolicy(mode=Mode.ACTIVE), QUICK, 24),
        (PacelinePolicy(down_after_s=30.0), QUICK, 30),
    ],
)
def test_a_replica_is_held_for_what_its_cold_start_is_worth_unless_the_user_says(
    policy: PacelinePolicy, replica: Replica, first_s: int
) -> None:
    assert first_down_s(policy, window(70.0), replica) == first_s


@pytest.mark.parametrize(
    ("policy", "replica", "first_s"),
    [
        (POLICY, REPLICA, 60),
        (POLICY, QUICK, 12),
        (PacelinePolicy(burst_hold_s=40.0), QUICK, 40),
    ],
)
def test_a_burst_holds_for_what_a_cold_start_is_worth_unless_the_user_says(
    policy: PacelinePolicy, replica: Replica, first_s: int
) -> None:
    burst = window(5.0, recent=160.0)
    assert first_down_s(policy, burst, replica) == first_s


def test_where_starts_are_quick_six_seconds_without_traffic_are_a_fall() -> None:
    ended = window(40.0, recent=0.0)
    left = decide(ended, fleet(2, replica=QUICK), POLICY, NOW_S)
    assert left.replicas == 1
    assert left.because == "36.0 requests over 60 s at 24 per replica; 0.0 over 6 s"
    assert decide(ended, fleet(2), POLICY, NOW_S).replicas == 2, "the minute counts"


def test_what_chance_explains_is_no_fall() -> None:
    """Answers of 8 s: six seconds say little of the rate; of 1 s they say it well."""
    quiet = window(40.0, recent=4.0)
    for service_s, replicas in ((8.0, 2), (1.0, 1)):
        memory = Memory(clock_s=1000.0, seen_s=5000.0, service_s=service_s)
        state = fleet(2, replica=QUICK, memory=memory)
        unmeasured = replace(quiet, ended=(0,) * 60)
        assert decide(unmeasured, state, POLICY, NOW_S).replicas == replicas
    unknown = decide(replace(quiet, ended=(0,) * 60), fleet(2, replica=QUICK), POLICY, NOW_S)
    assert unknown.replicas == 2
