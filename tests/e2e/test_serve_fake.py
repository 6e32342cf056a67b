"""From versions to answers through the gateway, on the engine that is real except for the model."""

import json
import signal
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.roll import roll
from tests.e2e.serving import QUICK, WITHIN_S, Serving, plant_version, serving

from paceline.testing.builders import a_variant

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

FAKE = "fake_server"
STANDARD = Path(str(files("paceline.adapters.quality.suites.data") / "standard.jsonl"))
GATEWAY = "paceline.deploy.gateway"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    maker = Paceline(folder.parent, shared_cache=False)
    assert maker("models", "synth", "tiny", str(folder)).code == 0
    return str(folder)


@pytest.fixture
def demo(paceline: Paceline, model: str) -> Paceline:
    """With a pipeline `demo` of one version."""
    plant_version(paceline, model)
    return paceline


def test_it_idles_to_zero_and_the_next_request_is_held_and_answered(
    demo: Paceline, tmp_path: Path
) -> None:
    policy = tmp_path / "quick.yaml"
    policy.write_text(QUICK)
    assert demo("deploy", "demo", "--policy", str(policy)).code == 0
    with serving(demo) as one:
        one.heard("carries all traffic")
        first = one.ask()
        assert first.status_code == 200, first.text
        assert first.headers["x-paceline-version"] == "1"
        one.heard("scale 1 -> 0")
        one.until(lambda it: not it.children(FAKE), "at zero")
        held = one.ask()
        assert held.status_code == 200, held.text
        assert held.json()["usage"]["completion_tokens"] == 4
        one.heard("scale 0 -> 1")
    log = demo("endpoints", "demo", "--log", "--json").document["log"]
    scaled = [
        (line["replicas_before"], line["replicas_after"]) for line in log if line["kind"] == "scale"
    ]
    assert scaled[:2] == [(1, 0), (0, 1)]
    assert all(line["because"] for line in log)


def test_a_redeploy_under_load_breaks_no_stream_and_rollback_goes_back(
    paceline: Paceline, model: str
) -> None:
    demo = paceline
    plant_version(demo, model, concurrency=64)
    plant_version(demo, model, a_variant(format_="int8"), concurrency=64)
    assert demo("deploy", "demo@1", "--min", "1", "--max", "1").code == 0
    pace = json.dumps({"*": {"first_token_ms": 50, "token_ms": 25, "capacity": 64}})
    with serving(demo, PACELINE_FAKE=pace) as one:
        one.heard("version 1 carries all traffic")
        seen = roll(demo, one, to_version=2, streams=40, tokens=40, before_s=0.5, replicas=1)
        assert seen.broken == ()
        assert len(seen.ttft_before_ms) >= 40
        assert len(seen.ttft_in_roll_ms) >= 40
        assert one.ask().headers["x-paceline-version"] == "2"
        assert demo("rollback", "demo", "1").code == 0
        assert one.ask().headers["x-paceline-version"] == "2", "metadata only"
        assert demo("deploy", "demo").code == 0
        one.heard("version 1 carries all traffic", times=2)
        assert one.ask().headers["x-paceline-version"] == "1", "said when it is true"
    assert demo("versions", "demo").out.count("min_replicas 1, max_replicas 1") == 2


@pytest.mark.long
def test_a_version_that_cannot_start_fails_and_the_old_one_serves_on(
    demo: Paceline, model: str
) -> None:
    plant_version(demo, model, a_variant(format_="int8"))
    faults = json.dumps({"int8": {"fault": "unsupported"}})
    assert demo("deploy", "demo@1").code == 0
    with serving(demo, PACELINE_FAKE=faults) as one:
        one.heard("version 1 carries all traffic")
        failed = demo("deploy", "demo@2", "--wait")
        assert failed.code == 3, failed.err
        assert "failed in engine; 1 serves on" in failed.err
        assert one.ask().headers["x-paceline-version"] == "1"
        assert one.status()["failed"][0]["version"] == 2


def test_a_version_that_answers_garbage_is_not_admitted(paceline: Paceline, model: str) -> None:
    """It starts and answers its warm-up; what it says to the items is wrong."""
    plant_version(paceline, model, suite=STANDARD)
    plant_version(paceline, model, a_variant(format_="int8"), suite=STANDARD)
    known = json.dumps({"bf16": {"accuracy": 1.0}, "int8": {"accuracy": 0.0}})
    assert paceline("deploy", "demo@1").code == 0
    with serving(paceline, PACELINE_FAKE=known) as one:
        one.heard("version 1 carries all traffic")
        failed = paceline("deploy", "demo@2", "--wait")
        assert failed.code == 3, failed.err
        assert "failed in warm-up; 1 serves on" in failed.err
        assert "garbage would come again: 0 of 8 answers are right" in failed.err
        assert one.ask().headers["x-paceline-version"] == "1"


def test_what_is_killed_comes_back_once_and_nothing_is_left(demo: Paceline) -> None:
    assert demo("deploy", "demo", "--min", "1").code == 0
    with serving(demo) as one:
        one.heard("serves after")
        one.children(FAKE)[0].send_signal(signal.SIGKILL)
        one.heard("serves after", times=2)
        one.children(GATEWAY)[0].send_signal(signal.SIGKILL)
        one.heard("the gateway died")
        one.until(answers, "answering again")
        it_and_all_below = psutil.Process(one.process.pid)
        one.until(
            lambda _: len(it_and_all_below.children(recursive=True)) == 4,
            "an engine and a gateway, each behind its shim",
        )
        left = it_and_all_below.children(recursive=True)
        one.kill()
        _, alive = psutil.wait_procs(left, timeout=WITHIN_S)
        assert alive == []
    killed_utc = datetime.now(UTC).isoformat()
    with serving(demo) as other:
        other.heard("an earlier `paceline serve` was killed, and with it 1 replica")
        other.heard("serves after")
        *_, latest, _ = sorted(other.status()["replica_list"], key=lambda it: it["launched_at_utc"])
        assert latest["launched_at_utc"] <= latest["ended_at_utc"] < killed_utc
        assert other.ask().status_code == 200
        assert len(other.children(FAKE)) == 1
        other.until(lambda it: states(it) == ["ended", "ended", "serving"], "stored")
        second = demo("serve", "--port", "0")
        assert second.code == 4
        assert "[serve-busy]" in second.err


def states(one: Serving) -> list[str]:
    """Of its replicas, as stored: that happens a moment after they are said."""
    return sorted(replica["state"] for replica in one.status()["replica_list"])


def answers(one: Serving) -> bool:
    try:
        return one.ask().status_code == 200
    except httpx.TransportError:
        return False
