"""The main job from command line to receipt, on the engine that is real except for the model."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import plant_version

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

SHORT = ("--engine", "fake", "--workload", "reference,duration=1s")


WITHIN_S = 300.0
GRACE_S = 10.0
"""What the fake engine may take to stop, and a busy machine to notice."""


def pruned(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Variants of the engine at hand that were not worth a launch."""
    out = [r for r in run["rejected"] if r["reason"] == "predicted-to-lose"]
    return [r for r in out if r["variant"]["engine"] == "fake"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made = Paceline(folder.parent, shared_cache=False)("models", "synth", "tiny", str(folder))
    assert made.code == 0, made.err
    return str(folder)


@pytest.fixture(scope="module")
def whole(model: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Paceline, dict[str, Any]]:
    """A run of all variants, to look at: what changes it takes a copy."""
    paceline = Paceline(tmp_path_factory.mktemp("whole"), shared_cache=False)
    done = paceline("optimize", model, "optimize for throughput", *SHORT, "--json")
    assert done.code == 0, done.err
    return paceline, done.document


def test_a_run_ranks_writes_a_receipt_that_verifies_and_leaves_a_version(
    whole: tuple[Paceline, dict[str, Any]],
) -> None:
    paceline, run = whole
    assert run["request"]["priority"] == "throughput"
    measured = {variant["id"]: variant for variant in run["variants"]}
    assert len(measured) + len(pruned(run)) == 6
    assert all(r["have"].startswith("at best ") and r["need"] for r in pruned(run))
    assert run["baseline"] in measured
    assert measured[run["winner"]]["rank"] == 1
    rates = {
        (v["format"], v["knobs"].get("capacity")): v["metrics"]["output_tokens_per_s"]["value"]
        for v in measured.values()
    }
    assert rates["int4", 16] > 1.5 * rates["bf16", None]  # 4 x the places, half the token time
    reasons = {r["reason"] for r in run["rejected"]} - {"predicted-to-lose"}
    assert reasons == {"engine-not-installed", "unsupported"}

    verified = paceline("verify", run["receipt"], "--json")
    assert verified.code == 0, verified.out
    assert verified.document["samples"] == run["search"]["launches"]
    versions = paceline("versions", "tiny", "--json").document["versions"]
    assert [(v["number"], v["variant"]) for v in versions] == [(1, run["winner"])]


def test_a_receipt_is_measured_again_and_a_slower_winner_is_noticed(
    paceline: Paceline, model: str
) -> None:
    def with_int8_at(token_ms: float) -> str:
        return json.dumps({"bf16": {"token_ms": 6.0}, "int8": {"token_ms": token_ms}})

    asked = ("optimize", model, "optimize for throughput", *SHORT, "--pin", "int8", "--json")
    run = paceline(*asked, PACELINE_FAKE=with_int8_at(1)).document
    slow = ("verify", run["receipt"], "--remeasure", "--json")
    again = paceline(*slow, PACELINE_FAKE=with_int8_at(40))
    found = again.document["remeasured"]
    assert {f["variant"] for f in found["figures"]} == {run["baseline"], run["winner"]}
    assert again.code == {"agrees": 0, "open": 4, "differs": 6}[found["verdict"]]
    # A busy machine may leave short windows open, or the baseline the only sure one.
    assert found["order"] != "agrees" or run["winner"] == run["baseline"], found
    assert len(paceline("runs", "list", "--json").document["runs"]) == 1, "nothing is stored"


def test_an_edited_receipt_is_named_field_by_field(
    whole: tuple[Paceline, dict[str, Any]], tmp_path: Path
) -> None:
    paceline, run = whole
    copy = shutil.copytree(paceline.data, tmp_path / "copy")
    receipt = copy / Path(run["receipt"]).relative_to(paceline.data)
    text = json.loads(receipt.read_text())
    text["trials"][0]["metrics"]["output_tokens_per_s"]["value"] *= 2
    receipt.write_text(json.dumps(text))
    checked = paceline("verify", str(receipt))
    assert checked.code == 6
    assert "$.trials[0].metrics.output_tokens_per_s.value" in checked.out


def test_a_variant_that_dies_is_recorded_and_the_run_goes_on(
    paceline: Paceline, model: str
) -> None:
    faults = json.dumps({"int8": {"fault": "out-of-memory"}, "int4": {"fault": "crash-at-start"}})
    done = paceline("optimize", model, *SHORT, "--json", PACELINE_FAKE=faults)
    assert done.code == 0, done.err
    causes = {
        r["variant"]["format"]: r["detail"]
        for r in done.document["rejected"]
        if r["reason"] == "launch-failed"
    }
    assert "out-of-memory" in causes["int8"]
    assert "crashed" in causes["int4"]
    doomed = [r for r in done.document["rejected"] if r["reason"] == "known-failure"]
    assert [(r["variant"]["format"], r["variant"]["knobs"]) for r in doomed] == [
        ("int8", {"capacity": 16})
    ]
    assert doomed[0]["detail"].startswith("fake int8 ended as out-of-memory in this run: ")
    again = paceline("plan", model, *SHORT, "--json").document
    known = [r for r in again["rejected"] if r["reason"] == "known-failure"]
    assert known == [], "another load may need less memory, and a crash may pass"


def test_what_an_engine_does_not_support_is_not_launched_in_the_next_run(
    paceline: Paceline, model: str
) -> None:
    faults = json.dumps({"int8": {"fault": "unsupported"}})
    asked = (model, *SHORT, "--pin", "int8", "--json")
    done = paceline("optimize", *asked, PACELINE_FAKE=faults)
    assert done.code == 0, done.err
    again = paceline("plan", *asked).document
    known = [r for r in again["rejected"] if r["reason"] == "known-failure"]
    assert [r["variant"]["knobs"] for r in known] == [{}, {"capacity": 16}]
    run = done.document["run_id"]
    assert {r["detail"].partition(f" in run {run}: ")[0] for r in known} == {
        "fake int8 ended as unsupported"
    }


def test_killed_in_the_middle_it_leaves_no_engine_and_resumes_with_what_it_had(
    paceline: Paceline, model: str
) -> None:
    process = paceline.start("optimize", model, *SHORT, "--pin", "int8", "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if " 2. " in line:  # one trial is stored, the second is under way
            break
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=WITHIN_S)
    (run,) = paceline("runs", "list", "--json").document["runs"]
    assert run["state"] == "stopped"
    resumed = paceline("optimize", "--resume", run["run_id"], "--json")
    assert resumed.code == 0, resumed.err
    assert " 1. " in resumed.err
    assert "always measured" not in resumed.err, "the baseline was measured again"
    assert len(resumed.document["variants"]) + len(pruned(resumed.document)) == 3
    assert paceline("verify", resumed.document["receipt"]).code == 0


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_interrupted_it_says_how_to_go_on(
    number: signal.Signals, code: int, said: str, paceline: Paceline, model: str
) -> None:
    process = paceline.start("optimize", model, *SHORT, "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if " 1. " in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out) == (code, "")
    how, end = err.splitlines()[-2:]
    assert "go on with: paceline optimize --resume" in how
    assert end == said
    assert "Traceback" not in err
    (run,) = paceline("runs", "list", "--json").document["runs"]
    assert run["state"] == "cancelled"


def test_cancelled_from_outside_it_stops_within_the_trial(paceline: Paceline, model: str) -> None:
    process = paceline.start("optimize", model, "--engine", "fake", "--workload", "reference")
    assert process.stderr is not None
    for line in process.stderr:
        if " 1. " in line:
            break
    (run,) = paceline("runs", "list", "--json").document["runs"]
    assert paceline("runs", "cancel", run["run_id"]).code == 0
    process.communicate(timeout=WITHIN_S)
    assert process.returncode == 143, "as after SIGTERM: nothing is wrong with anybody"
    assert paceline("runs", "list", "--json").document["runs"][0]["state"] == "cancelled"


def test_a_budget_is_kept_to_one_stop_and_what_it_left_out_is_named(
    paceline: Paceline, model: str
) -> None:
    done = paceline("optimize", model, *SHORT, "--budget", "6s", "--json")
    assert done.code == 0, done.err
    search = done.document["search"]
    # The baseline is measured however long it takes.
    assert search["launches"] == 1 or search["measured_s"] < 6 + GRACE_S
    left_out = [r for r in done.document["rejected"] if r["reason"] == "over-budget"]
    assert left_out
    assert all(r["have"].endswith(" s") and r["need"].endswith(" s") for r in left_out)


def test_a_budget_without_room_for_the_baseline_is_refused_with_both_lengths(
    paceline: Paceline, model: str
) -> None:
    only = ("--engine", "fake", "--workload", "reference,duration=12s")
    refused = paceline("optimize", model, *only, "--budget", "5s")
    assert refused.code == 2
    assert "[budget-too-small]" in refused.err
    assert "12.5 s" in refused.err
    assert "5 s" in refused.err
    dollars = paceline("optimize", model, *only, "--budget", "$0.001", "--price", "3.6")
    assert dollars.code == 2
    assert "$0.001 at $3.6/h, 1 s" in dollars.err
    assert paceline("runs", "list", "--json").document["runs"] == []


def test_an_infeasible_run_has_its_price_and_a_redirect_pays_it_without_measuring(
    paceline: Paceline, model: str
) -> None:
    only = (*SHORT, "--format", "bf16", "--constraint", "memory <= 0.01GiB", "--json")
    infeasible = paceline("optimize", model, *only)
    assert infeasible.code == 5, infeasible.err
    run = infeasible.document
    (advice,) = run["advice"]
    assert advice["constraint"] == "memory <= 0.01GiB"
    assert advice["relaxed"].startswith("memory <= ")
    assert advice["relaxed_by"] > 0

    paid = paceline("optimize", "--from", run["run_id"], "cheaper", "--constraint",
                    advice["relaxed"], "--json")  # fmt: skip
    assert paid.code == 0, paid.err
    search = paid.document["search"]
    assert search["understood"][0] == "priority cost (was balanced)"
    assert {reused["run"] for reused in search["reused"]} == {run["run_id"]}
    assert {r["variant"] for r in search["reused"]} == {v["id"] for v in run["variants"]}
    verified = paceline("verify", paid.document["receipt"], "--json")
    assert verified.document["samples"] == search["launches"] + len(search["reused"])


def test_two_runs_are_compared_with_what_is_more_than_noise(paceline: Paceline, model: str) -> None:
    slow = json.dumps({"*": {"token_ms": 20.0}})
    only = (*SHORT, "--format", "bf16", "--budget", "5s", "--json")
    first = paceline("optimize", model, *only).document["run_id"]
    second = paceline("optimize", model, *only, PACELINE_FAKE=slow).document["run_id"]
    rows = paceline("runs", "compare", first, second, "--json").document["variants"]
    rates = [row for row in rows if row["metric"] == "output_tokens_per_s"]
    assert rates
    assert all(row["change"] < -0.5 and row["more_than_noise"] is not False for row in rates)


def test_rollback_points_to_the_earlier_version(paceline: Paceline, model: str) -> None:
    for number in (1, 2):
        assert plant_version(paceline, model) == number
    assert paceline("rollback", "demo", "1").code == 0
    versions = paceline("versions", "demo", "--json").document["versions"]
    assert [v["current"] for v in versions] == [True, False]
    wrong = paceline("rollback", "demo", "7")
    assert wrong.code == 2
    assert "[unknown-name]" in wrong.err
