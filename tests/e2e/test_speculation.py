"""Guessing ahead on a real engine, from the request to the verdict."""

import pytest
from tests.e2e.conftest import Done, Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.more_engines, pytest.mark.enable_socket]

REQUEST = (
    *("optimize", "reference", "--engine", "llamacpp", "--format", "gguf-q8_0"),
    *("--priority", "throughput", "--workload", "reference,concurrency=8,duration=6s"),
    *("--quality-items", "20", "--budget", "100s", "--json"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One short run."""
    folder = tmp_path_factory.mktemp("speculation")
    return Paceline(folder, shared_cache=True)(*REQUEST)


def test_its_acceptance_is_measured_though_no_guess_foresees_it(run: Done) -> None:
    assert run.code == 0, run.err
    (guessing,) = [v for v in run.document["variants"] if v["speculation"] == "ngram"]
    assert 0 <= guessing["metrics"]["speculation_acceptance"]["value"] <= 1
    assert guessing["metrics"]["speculation_mean_length_tokens"]["value"] >= 1
    assert any("guesses were right" in note for note in guessing["notes"])
