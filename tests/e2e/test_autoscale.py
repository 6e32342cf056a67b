"""`paceline autoscale replay` as people run it, on a small trace made here."""

import json
import random
from pathlib import Path

import pytest
from tests.e2e.conftest import Paceline

pytestmark = pytest.mark.e2e

REPLICA = """\
version: 1
policy: paceline
settings: {idle_timeout: 90s}
replica:
  concurrency: 8
  cold_start: 20s
  usd_per_hour: 3.6
  service:
    - {concurrency: 1, ttft_ms: 100, tpot_ms: 10}
    - {concurrency: 8, ttft_ms: 300, tpot_ms: 20}
"""


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Bursts of twenty seconds with two quiet minutes between them."""
    chance = random.Random(1)
    lines = ["t_s,input_tokens,output_tokens"]
    for start_s in range(0, 1400, 140):
        arrivals_s = sorted(chance.uniform(0, 20) for _ in range(60))
        lines += [f"{start_s + t_s:.3f},500,{chance.randint(10, 80)}" for t_s in arrivals_s]
    path = tmp_path / "bursts.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(REPLICA)
    return str(path)


def test_policies_side_by_side_on_one_replica_with_every_reason_in_the_log(
    paceline: Paceline, trace: str, file: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    policies = (file, "paceline", "knative", "queue_delay", "request_count", "rps")
    options = [word for name in policies for word in ("--policy", name)]
    done = paceline(
        *("autoscale", "replay", trace, *options, "--replica", file),
        *("--after", "10m", "--log", str(log), "--json"),
    )
    assert (done.code, done.err) == (0, "")
    assert done.document["requests"] == 600
    found = {one["name"]: one for one in done.document["policies"]}
    assert list(found) == ["mine", *policies[1:]]
    for one in found.values():
        assert one["usd"] == pytest.approx(one["replica_s"] * 3.6 / 3600)
        assert one["refused"] == 0
        assert one["cold_starts"] >= 1
        assert one["replica"]["example"] is False
        assert 0 <= one["wait_s"]["p50"] <= one["wait_s"]["p95"] <= one["wait_s"]["max"]
    assert found["mine"]["cold_starts"] >= found["paceline"]["cold_starts"]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == sum(one["decisions"] for one in found.values())
    assert all(line["because"] for line in lines)


def test_a_name_alone_says_that_the_replica_is_an_example(paceline: Paceline, trace: str) -> None:
    done = paceline("autoscale", "replay", trace)
    assert done.code == 0, done.err
    assert "an example stands in for your measurement" in done.err
    assert done.out.startswith("600 requests in ")
    assert "cold starts" in done.out


def test_the_same_command_gives_the_same_document(
    paceline: Paceline, trace: str, file: str
) -> None:
    command = ("autoscale", "replay", trace, "--policy", file, "--seed", "4", "--json")
    assert paceline(*command).out == paceline(*command).out


@pytest.fixture
def _bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bare.yaml").write_text("version: 1\n")
    (tmp_path / "bad.yaml").write_text("version: 1\npolicy: magic\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_bad_files")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--policy", "kantive"), "write 'knative'"),
        (("--policy", "missing.yaml"), "cannot read 'missing.yaml'"),
        (("--hold", "long"), "--hold 'long' is no duration"),
        (("--replica", "bare.yaml"), "'bare.yaml' describes no replica"),
        (("--policy", "bad.yaml"), "bad.yaml, line 2: cannot use `policy`"),
    ],
)
def test_what_is_wrong_is_said_and_exits_with_two(
    paceline: Paceline, trace: str, words: tuple[str, ...], says: str
) -> None:
    done = paceline("autoscale", "replay", trace, *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_broken_trace_is_named_with_its_line(paceline: Paceline, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,input_tokens,output_tokens\n0.0,10,5\n1.0,ten,5\n")
    done = paceline("autoscale", "replay", str(path))
    assert done.code == 2
    assert "line 3 of" in done.err
