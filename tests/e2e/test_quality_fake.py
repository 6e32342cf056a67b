"""The standard suite on the fake engine: between two endpoints, and within a run."""

import json
import shutil
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path

import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.fake_engine import fake_engine

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

STANDARD = Path(str(files("paceline.adapters.quality.suites.data") / "standard.jsonl"))
ASKED = (
    *("optimize", "reference", "optimize for throughput", "--engine", "fake", "--json"),
    *("--suite", "standard", "--quality-items", "30", "--quality-share", "0.6"),
    *("--workload", "reference,duration=1s", "--pin", "int8"),
)


def serving(**behaviour: float) -> AbstractContextManager[str]:
    """A fake engine that knows the standard suite and answers within milliseconds."""
    fast = {"first_token_ms": 0.5, "token_ms": 0.01, "capacity": 64, **behaviour}
    return fake_engine("--suite", str(STANDARD), "--behaviour", json.dumps(fast))


def test_endpoints_are_told_apart_on_the_standard_suite(paceline: Paceline) -> None:
    with serving(accuracy=0.95) as good, serving(accuracy=0.7, divergence=0.3) as worse:
        asked = ("--model", "m", "--split", "report", "--json")
        done = paceline("eval", worse, *asked, "--against", good, "--fidelity")
        again = paceline("eval", good, *asked)
    assert done.code == 5, done.err
    found = done.document
    assert found["suite"]["name"] == "standard/report"
    assert set(found["by_category"]) == {
        *("general", "reasoning", "multi_turn", "instructions", "structured", "tools")
    }
    assert found["against"]["verdict"]["verdict"] == "fail"
    assert 0.02 < found["against"]["fidelity"]["mean_kl_nats"] < 0.06
    assert 0.9 < again.document["score"] == found["against"]["score"], "same seed, same score"


@pytest.mark.alone
@pytest.mark.more_engines
def test_a_run_on_the_standard_suite_keeps_distributions_and_answers_that_verify(
    paceline: Paceline,
) -> None:
    limits = ("quality(load) >= 0.9x", "quality(long) >= 0.5")
    run = paceline(*ASKED, *(part for text in limits for part in ("--constraint", text))).document
    assert (run["request"]["quality_share"], len(run["request"]["beside"])) == (0.6, 2)
    measured = {v["format"]: v for v in run["variants"] if not v["knobs"]}
    close = measured["int8"]["quality"]["fidelity"]
    assert close["against"] == run["baseline"]
    assert 0 < close["mean_kl_nats"] < 0.01
    assert measured["bf16"]["quality"]["fidelity"]["mean_kl_nats"] == 0
    assert measured["int8"]["metrics"]["fidelity_kl_nats"]["value"] == close["mean_kl_nats"]
    for format_ in ("bf16", "int8"):
        quality = measured[format_]["quality"]
        assert quality["score"] > 0.5
        assert 0 < quality["time_share"] < 1
        assert quality["under_load"]["difference"] == 0, "no arithmetic, no noise"
        assert "quality_long_context" in measured[format_]["metrics"]
        said = {one["constraint"]: one for one in measured[format_]["verdicts"]}
        assert said[limits[0]]["value"] == 1.0
        found = measured[format_]["metrics"]["quality_long_context"]["value"]
        assert said[limits[1]]["value"] == found

    receipt = Path(run["receipt"])
    assert paceline("verify", str(receipt)).code == 0
    folder, trials = receipt.parent.parent, json.loads(receipt.read_text())["trials"]
    int8 = next(trial for trial in trials if trial["variant"]["format"] == "int8")
    shutil.copy(folder / int8["readings"]["path"], folder / trials[0]["readings"]["path"])
    checked = paceline("verify", str(receipt))
    assert checked.code == 6
    assert "$.trials[0].readings" in checked.out


@pytest.mark.alone
@pytest.mark.more_engines
def test_a_broken_checkpoint_is_found_by_its_distributions_before_its_speed(
    paceline: Paceline,
) -> None:
    broken = json.dumps({"int8": {"divergence": 2.0}})
    run = paceline(*ASKED, PACELINE_FAKE=broken).document
    (rejection, *_) = [r for r in run["rejected"] if r["reason"] == "launch-failed"]
    assert rejection["variant"]["format"] == "int8"
    assert "garbage: its distributions are" in rejection["detail"]
    trials = json.loads(Path(run["receipt"]).read_text())["trials"]
    found = next(trial for trial in trials if trial["cause"] == "garbage")
    assert (found["quality"], found["samples"]) == (None, None)
