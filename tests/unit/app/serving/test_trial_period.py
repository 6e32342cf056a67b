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
