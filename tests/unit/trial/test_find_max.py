"""The search against servers whose capacity is known."""

import random
from collections.abc import Callable

import pytest

from paceline.trial.find_max import (
    MaxLoad,
    MaxLoadVerdict,
    NextProbe,
    Probed,
    ProbeVerdict,
    Search,
    next_probe,
)

Server = Callable[[float, int], ProbeVerdict]


def search(
    *,
    lowest: float = 1,
    highest: float | None = None,
    start: float = 1,
    whole: bool = True,
    idle: bool = True,
    most: int = 20,
) -> Search:
    return Search(
        lowest=lowest,
        highest=highest,
        start=start,
        whole=whole,
        lowest_is_idle=idle,
        most_probes=most,
    )


def run(wanted: Search, server: Server) -> tuple[MaxLoad, list[Probed]]:
    probes: list[Probed] = []
    while isinstance(step := next_probe(wanted, probes), NextProbe):
        assert wanted.lowest <= step.level <= (wanted.highest or float("inf"))
        assert not wanted.whole or step.level == int(step.level)
        verdict = server(step.level, step.length)
        probes.append(Probed(level=step.level, length=step.length, verdict=verdict))
        assert len(probes) <= wanted.most_probes
    return step, probes


def capacity(most: float) -> Server:
    return lambda level, _: ProbeVerdict.PASS if level <= most else ProbeVerdict.FAIL


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 9, 100, 255])
@pytest.mark.parametrize("start", [1, 5, 64])
def test_finds_the_capacity_of_a_server(most: int, start: int) -> None:
    found, _ = run(search(start=start), capacity(most))
    assert found.verdict is MaxLoadVerdict.FOUND
    assert found.level is not None
    assert 0 <= most - found.level <= 0.05 * most


def test_finds_a_rate_within_its_precision() -> None:
    found, _ = run(search(lowest=0.1, start=1.7, whole=False, idle=False), capacity(23.4))
    assert found.verdict is MaxLoadVerdict.FOUND
    assert found.level is not None
    assert 23.4 / 1.05 <= found.level <= 23.4


def test_without_any_limit_the_answer_is_no_maximum() -> None:
    found, probes = run(search(most=12), capacity(float("inf")))
    assert found.verdict is MaxLoadVerdict.LOWER_BOUND
    assert (found.level, found.fails_at, len(probes)) == (2**11, None, 12)


def test_the_users_upper_bound_is_a_lower_bound_of_the_answer() -> None:
    found, probes = run(search(highest=6), capacity(8))
    assert found.verdict is MaxLoadVerdict.LOWER_BOUND
    assert found.level == 6
    assert [probe.level for probe in probes] == [1, 2, 4, 6]


def test_a_limit_that_is_the_clients_is_named_so_after_a_second_try() -> None:
    def server(level: float, _: int) -> ProbeVerdict:
        return ProbeVerdict.PASS if level <= 40 else ProbeVerdict.CLIENT_BOUND

    found, probes = run(search(), server)
    assert found.verdict is MaxLoadVerdict.CLIENT_BOUND
    assert found.level is not None
    assert 38 <= found.level <= 40
    assert found.fails_at is None
    assert sum(probe.level == 64 for probe in probes) == 2


def test_a_client_disturbed_once_does_not_end_the_search() -> None:
    seen: set[float] = set()

    def server(level: float, _: int) -> ProbeVerdict:
        first = level not in seen
        seen.add(level)
        return ProbeVerdict.CLIENT_BOUND if first else capacity(8)(level, 1)

    found, _ = run(search(), server)
    assert (found.verdict, found.level) == (MaxLoadVerdict.FOUND, 8)


def test_an_unresolved_probe_is_lengthened_until_it_decides() -> None:
    def server(level: float, length: int) -> ProbeVerdict:
        return capacity(8)(level, length) if length == 9 else ProbeVerdict.UNRESOLVED

    found, probes = run(search(most=40), server)
    assert (found.verdict, found.level) == (MaxLoadVerdict.FOUND, 8)
    assert [probe.length for probe in probes[:3]] == [1, 3, 9]


def test_an_unresolved_level_is_never_a_bound() -> None:
    def server(level: float, _: int) -> ProbeVerdict:
        return ProbeVerdict.UNRESOLVED if level in (8, 9) else capacity(8)(level, 1)

    found, _ = run(search(most=40), server)
    assert found.verdict is MaxLoadVerdict.UNRESOLVED
    assert (found.level, found.fails_at) == (7, 10)


def test_one_unresolved_level_between_neighbours_does_not_spoil_the_answer() -> None:
    def server(level: float, _: int) -> ProbeVerdict:
        return ProbeVerdict.UNRESOLVED if level == 9 else capacity(8)(level, 1)

    found, _ = run(search(most=40), server)
    assert found.verdict is MaxLoadVerdict.FOUND
    assert (found.level, found.fails_at) == (8, 10)


def test_an_unresolved_level_below_the_maximum_is_passed_over() -> None:
    def server(level: float, _: int) -> ProbeVerdict:
        return ProbeVerdict.UNRESOLVED if level == 4 else capacity(12)(level, 1)

    found, _ = run(search(most=40), server)
    assert (found.verdict, found.level) == (MaxLoadVerdict.FOUND, 12)


def test_an_impossible_limit_is_called_impossible() -> None:
    found, _ = run(search(start=8), capacity(0))
    assert (found.verdict, found.level) == (MaxLoadVerdict.FOUND, 0)
    assert "no load meets" in found.because


def test_failing_at_the_users_lowest_level_says_nothing_about_lower_ones() -> None:
    found, _ = run(search(lowest=4, start=8, idle=False), capacity(2))
    assert (found.verdict, found.level) == (MaxLoadVerdict.UNRESOLVED, None)


def test_a_client_that_is_the_limit_everywhere_gives_no_number() -> None:
    found, _ = run(search(start=4), lambda *_: ProbeVerdict.CLIENT_BOUND)
    assert (found.verdict, found.level) == (MaxLoadVerdict.CLIENT_BOUND, None)


def test_a_search_cut_short_is_a_lower_bound_at_most() -> None:
    found, probes = run(search(most=5), capacity(1000))
    assert (found.verdict, found.level, len(probes)) == (MaxLoadVerdict.LOWER_BOUND, 16, 5)
    found, _ = run(search(most=2, start=64), capacity(8))
    assert (found.verdict, found.level) == (MaxLoadVerdict.UNRESOLVED, None)


@pytest.mark.parametrize("seed", range(200))
def test_the_answer_never_contradicts_its_evidence(seed: int) -> None:
    """A server that is noisy near its capacity, a client that is, and any bounds."""
    rng = random.Random(seed)
    most = rng.uniform(0.5, 300)
    whole = rng.random() < 0.5
    lowest = rng.choice([1, 1, 2, 16])
    highest = rng.choice([None, 64.0, 400.0])
    client = rng.choice([1e9, 1e9, 100])

    def server(level: float, length: int) -> ProbeVerdict:
        if level > client:
            return ProbeVerdict.CLIENT_BOUND
        if abs(level / most - 1) < 0.3 and rng.random() < 0.5 / length:
            return ProbeVerdict.UNRESOLVED
        return ProbeVerdict.PASS if level <= most * rng.uniform(0.9, 1.1) else ProbeVerdict.FAIL

    wanted = search(lowest=lowest, highest=highest, start=lowest, whole=whole, most=30)
    found, probes = run(wanted, server)
    last = {probe.level: probe.verdict for probe in probes}
    passed = [level for level, verdict in last.items() if verdict is ProbeVerdict.PASS]
    failed = [level for level, verdict in last.items() if verdict is ProbeVerdict.FAIL]
    assert max(passed, default=0) < min(failed, default=float("inf"))
    assert found.fails_at == min(failed, default=None)
    if found.level:
        assert found.level == max(passed)
    if found.verdict is MaxLoadVerdict.FOUND:
        assert failed
        assert found.level == 0 or min(failed) - max(passed) <= max(2, 0.1 * max(passed))
