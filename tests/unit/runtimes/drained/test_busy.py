"""What a page of llama-server says about work in flight, and the wrapper's command line."""

from pathlib import Path

import pytest

from paceline.runtimes.drained.__main__ import arguments
from paceline.runtimes.drained.busy import in_flight

PAGE = (Path(__file__).parents[3] / "golden/metrics/llamacpp.txt").read_text()
NAMES = ("llamacpp:requests_processing", "llamacpp:requests_deferred")


def test_adds_up_the_named_metrics() -> None:
    page = 'a:running 2\na:waiting{x="y"} 3\na:running_max 9\n# HELP a:running 7\n'
    assert in_flight(page, ["a:running", "a:waiting"]) == 5
    assert in_flight(page, ["a:other"]) == 0


def test_knows_the_names_of_a_real_page() -> None:
    assert all(f"\n{name} " in PAGE for name in NAMES)
    assert in_flight(PAGE, NAMES) == 6


def test_takes_the_program_after_the_mark() -> None:
    options, command = arguments(
        ["--port", "1", "--grace-s", "2.5", "--busy", "a", "--busy", "b", "--", "x", "--port", "9"]
    )
    assert (options.port, options.grace_s, options.busy) == (1, 2.5, ["a", "b"])
    assert command == ["x", "--port", "9"]


def test_refuses_to_run_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--port", "1", "--grace-s", "2", "--busy", "a", "--"])
    assert "no program" in capsys.readouterr().err
