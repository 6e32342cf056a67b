"""What counts for and against a canary."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from paceline.app.serving.trial_period import TrialPeriod
from paceline.deploy.canary import Verdict
from paceline.records.deployment import Canary
from paceline.records.gateway import Ended, UsageLine
from paceline.testing.access import a_line

PLAN = Canary(share=0.05, requests=20, at_least_s=10.0)
LATER_S = 60.0


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path


def _write(spool: Path, lines: list[UsageLine]) -> None:
    with (spool / "usage-0000000000000001.jsonl").open("ab") as file:
        file.writelines(orjson.dumps(line) + b"\n" for line in lines)


def _lines(ended: Ended, count: int) -> list[UsageLine]:
    line = replace(a_line(ended=ended), endpoint="demo", version=2, replica_id="demo-2")
    return [replace(line, request_id=f"{ended.value}-{number}") for number in range(count)]


def _verdict(period: TrialPeriod) -> tuple[Verdict, str]:
    judgement = period.judge(PLAN, (), LATER_S, "demo")
    return judgement.verdict, judgement.because


def test_a_clients_mistake_does_not_count_against_a_canary(spool: Path) -> None:
    period = TrialPeriod(2, spool, 0.0)
    _write(spool, [*_lines(Ended.OK, 20), *_lines(Ended.REJECTED, 500)])
    assert _verdict(period) == (Verdict.PROMOTE, "20 requests, 0 failed; no worse than before")


def test_nor_for_one(spool: Path) -> None:
    period = TrialPeriod(2, spool, 0.0)
    _write(spool, [*_lines(Ended.OK, 18), *_lines(Ended.FAILED, 1), *_lines(Ended.REJECTED, 500)])
    verdict, because = _verdict(period)
    assert verdict is Verdict.WAIT and because.startswith("19 of 20 requests")


def test_whole_answers_are_timed_in_their_replica_and_streams_are_not(spool: Path) -> None:
    period = TrialPeriod(2, spool, 0.0)
    slow = [replace(line, execution_s=9.0) for line in _lines(Ended.OK, 30)]
    before = [replace(line, version=1, execution_s=1.0, queue_s=60.0) for line in slow]
    _write(spool, [*before, *(replace(line, ttft_s=0.1) for line in slow)])
    assert _verdict(period)[0] is Verdict.PROMOTE
    _write(spool, [*(replace(line, ended=Ended.ABORTED) for line in slow), *slow])
    because = "e2e of whole answers p95 is 9.000 s, limit 1.500 s"
    assert _verdict(period) == (Verdict.ROLL_BACK, because)


def test_what_a_canary_failed_counts_against_it_whoever_answered_it(spool: Path) -> None:
    """Half of its requests were answered by the stable version in the end."""
    period = TrialPeriod(2, spool, 0.0)
    moved = [
        replace(line, version=1, replica_id="demo-1", failed_version=2)
        for line in _lines(Ended.MOVED, 25)
    ]
    answered = [replace(line, ended=Ended.OK, failed_version=None) for line in moved]
    _write(spool, [*_lines(Ended.OK, 25), *moved, *answered])
    because = "25 of 50 requests failed, 0 of 25 on the old version"
    assert _verdict(period) == (Verdict.ROLL_BACK, because)


@pytest.mark.parametrize("ended", [Ended.FAILED, Ended.ABORTED])
def test_a_request_that_nobody_answered_counts_against_the_last_who_failed_it(
    spool: Path, ended: Ended
) -> None:
    """Without a replica, its last line has the endpoint's version."""
    period = TrialPeriod(2, spool, 0.0)
    lines = [
        replace(line, version=1, replica_id=None, failed_version=2) for line in _lines(ended, 20)
    ]
    _write(spool, lines)
    because = "20 of 20 requests failed, 0 of 0 on the old version"
    assert _verdict(period) == (Verdict.ROLL_BACK, because)


def test_what_the_stable_version_failed_is_not_the_canarys(spool: Path) -> None:
    period = TrialPeriod(2, spool, 0.0)
    moved = [replace(line, failed_version=1) for line in _lines(Ended.MOVED, 20)]
    _write(spool, [*moved, *_lines(Ended.OK, 20)])
    assert _verdict(period) == (Verdict.PROMOTE, "20 requests, 0 failed; no worse than before")
