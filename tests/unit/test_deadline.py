"""Work that has no end is ended; work that ends in time is left alone."""

import re
import signal
import threading

import pytest

from paceline.deadline import TooSlow, deadline


def endless() -> None:
    re.search(r"(a+)+$", "a" * 60 + "b")


def test_work_without_an_end_is_ended_within_its_processor_time() -> None:
    with pytest.raises(TooSlow, match=r"0\.05 s"), deadline(0.05):
        endless()


def test_what_ends_in_time_is_left_alone_and_nothing_rings_later() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with deadline(60.0):
        assert re.search("b", "ab")
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_beside_the_main_thread_there_is_none() -> None:
    seen: list[float] = []

    def work() -> None:
        with deadline(1e-6):
            seen.append(signal.getitimer(signal.ITIMER_VIRTUAL)[0])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0.0]
