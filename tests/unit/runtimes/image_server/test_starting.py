"""How far the start is."""

from paceline.runtimes.image_server.starting import Starting


class Steps:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_each_phase_is_timed_also_in_two_parts() -> None:
    clock = Steps()
    starting = Starting(clock)
    clock.now_s = 1.0
    for seconds in (2.0, 3.0):
        with starting.phase("load"):
            clock.now_s += seconds
    with starting.phase("warmup"):
        clock.now_s += 4.0
        told = starting.as_json()
    assert told["phase"] == "warmup"
    assert (told["phase_s"], told["elapsed_s"]) == (4.0, 10.0)
    assert told["phases_s"] == {"load": 5.0}
    starting.add("compile", 3.0)
    starting.add("warmup", -3.0)
    assert starting.phases_s == {"load": 5.0, "warmup": 1.0, "compile": 3.0}


def test_it_ends_ready_or_with_an_error() -> None:
    ready, failed = Starting(), Starting()
    ready.ready()
    failed.fail(OSError("no such folder"))
    assert (ready.done, ready.error) == (True, None)
    assert (failed.done, str(failed.error)) == (False, "no such folder")
