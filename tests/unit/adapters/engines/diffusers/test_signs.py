"""Each captured failure is classified as its file name says."""

from pathlib import Path

import pytest

from paceline.adapters.engines.diffusers import Diffusers
from paceline.records.launch import Cause, ProcessEnd

LOGS = sorted((Path(__file__).parents[4] / "golden/engines").glob("diffusers-*/*.log"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_captured_failure_is_recognized(path: Path) -> None:
    head, _, log = path.read_text().partition("\n")
    exit_code = int(head.removeprefix("exit "))
    end = ProcessEnd(exit_code=exit_code, ready=False, waited_s=1.0, log_tail=log)
    assert Diffusers().classify(end) is Cause(path.stem.partition("--")[0])


def test_every_cause_that_a_log_can_tell_is_captured() -> None:
    captured = {path.stem.partition("--")[0] for path in LOGS}
    assert captured == {
        "bad-checkpoint",
        "bad-flag",
        "missing-dependency",
        "out-of-memory",
        "port-in-use",
        "unsupported",
    }
