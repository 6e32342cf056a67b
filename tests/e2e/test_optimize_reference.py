"""The main job on real engines and the trained model: what the README promises."""

import time

import pytest
from tests.e2e.conftest import Done, Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.engines, pytest.mark.enable_socket]

REQUEST = (
    *("optimize", "reference", "--priority", "throughput"),
    *("--engine", "transformers", "--engine", "openvino"),  # others may be installed too
    *("--constraint", "ttft p95 <= 500ms", "--constraint", "quality >= 0.97x"),
    *("--budget", "4m", "--json"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paceline, Done, float]:
    """One full run, its command and the seconds it took; shared, as it takes minutes."""
    paceline = Paceline(tmp_path_factory.mktemp("reference"), shared_cache=True, timeout_s=480)
    started_s = time.monotonic()
    done = paceline(*REQUEST)
    return paceline, done, time.monotonic() - started_s


def test_it_measures_six_variants_on_two_engines_in_three_precisions(
    run: tuple[Paceline, Done, float],
) -> None:
    _, done, took_s = run
    assert done.code == 0, done.err
    variants = done.document["variants"]
    assert len(variants) >= 6
    assert {v["engine"] for v in variants} == {"transformers", "openvino"}
    assert len({v["format"] for v in variants}) >= 3
    assert took_s <= 300


def test_the_winner_is_three_times_the_serial_baseline(run: tuple[Paceline, Done, float]) -> None:
    _, done, _ = run
    rates = {
        v["id"]: v["metrics"]["output_tokens_per_s"]["value"]
        for v in done.document["variants"]
        if "output_tokens_per_s" in v["metrics"]
    }
    assert rates[done.document["winner"]] >= 3 * rates[done.document["baseline"]]


def test_the_winner_fails_no_constraint(run: tuple[Paceline, Done, float]) -> None:
    _, done, _ = run
    winner = next(v for v in done.document["variants"] if v["id"] == done.document["winner"])
    # On a machine with other work a verdict may stay unresolved, and then says so.
    assert "fail" not in {v["verdict"] for v in winner["verdicts"]}


def test_every_rejection_says_why(run: tuple[Paceline, Done, float]) -> None:
    _, done, _ = run
    assert all(r["reason"] and r["detail"] for r in done.document["rejected"])


def test_its_receipt_verifies(run: tuple[Paceline, Done, float]) -> None:
    paceline, done, _ = run
    verified = paceline("verify", done.document["receipt"])
    assert verified.code == 0, verified.out


def test_plain_words_are_printed_back_in_the_formal_grammar(
    run: tuple[Paceline, Done, float],
) -> None:
    paceline, _, _ = run
    words = "optimize for latency, p95 ttft under 300 ms, min quality 0.9"
    done = paceline("plan", "reference", words, "--json")
    assert done.code == 0, done.err
    assert done.document["request"]["priority"] == "latency"
    assert done.document["request"]["constraints"] == ["ttft p95 < 300ms", "quality >= 0.9"]
