"""Wrong requests: one clear error, the right exit code, nothing half-written."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.conftest import Paceline

from paceline.adapters.stores.sql import SqlStore

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    synth = Paceline(folder, shared_cache=False)
    assert synth("models", "synth", "tiny", str(folder / "tiny")).code == 0
    return folder / "tiny"


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(made, tmp_path / "tiny")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--engine", "vlm"), 2, ["[unknown-name]", "vlm"]),
        (("--engine", "fake", "--format", "fp7"), 2, ["[unknown-name]", "fp7", "int8"]),
        (("--engine", "fake", "--hardware", "h1000"), 2, ["[unknown-name]", "h1000", "cpu"]),
        (("--priority", "speed"), 2, ["[unknown-name]", "speed"]),
        (("--constraint", "tfft p95 <= 200ms"), 2, ["tfft", "ttft"]),
        (("--constraint", "ttft p96 <= 200ms"), 2, ["p96", "p95"]),
        (("--constraint", "ttft p95 <= 200mb"), 2, ["mb", "ms"]),
        (("--constraint", "ttft <= 200ms"), 2, ["ttft", "p95"]),
        (
            ("--constraint", "ttft p95 <= 100ms", "--constraint", "ttft p95 >= 200ms"),
            2,
            ["[contradiction]", "100", "200"],
        ),
        (("make it purple please",), 2, ["[not-understood]", "purple"]),
        (("--engine", "openvino"), 3, ["[engine-not-installed]", "paceline engines install"]),
        (("--resume", "20200101"), 2, ["20200101"]),
        (("--no-such-flag",), 2, ["--no-such-flag"]),
        (("--budget", "soon"), 2, ["soon"]),
        (("--engine", "fake", "--pipeline", "a b@2"), 2, ["[bad-option]", "a b@2"]),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_stored(
    paceline: Paceline, model: Path, arguments: tuple[str, ...], code: int, words: list[str]
) -> None:
    first = () if "--resume" in arguments else (str(model),)
    done = paceline("optimize", *first, *arguments)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert done.out == ""
    paceline.data.mkdir(exist_ok=True)
    with closing(SqlStore(paceline.data / "paceline.db")) as store:
        assert store.runs() == ()


def test_a_model_too_large_is_refused_with_both_numbers(
    paceline: Paceline, model: Path, tmp_path: Path
) -> None:
    load = "reference,input=100000000"
    done = paceline("optimize", str(model), "--engine", "fake", "--workload", load)
    assert done.code == 2
    assert "[does-not-fit]" in done.err
    assert done.err.count("GiB") >= 3


def test_a_constraint_that_nobody_meets_names_what_binds_and_the_nearest_miss(
    paceline: Paceline, model: Path
) -> None:
    done = paceline(
        *("optimize", str(model), "--engine", "fake", "--pin", "int8"),
        *("--workload", "reference,duration=1s"),
        *("--constraint", "cost <= 0.01 usd/month", "--json"),
    )
    assert done.code == 5, done.err
    assert done.document["winner"] is None
    advice = " ".join(advice["text"] for advice in done.document["advice"])
    assert "usd/month" in advice
    assert {a["nearest_variant"] for a in done.document["advice"]} & {
        v["id"] for v in done.document["variants"]
    }


def test_folders_that_cannot_be_written_are_named(paceline: Paceline, model: Path) -> None:
    for variable in ("PACELINE_DATA", "PACELINE_CACHE"):
        done = paceline("optimize", str(model), "--engine", "fake", **{variable: "/proc/nowhere"})
        assert done.code == 3
        assert "[cache-unwritable]" in done.err
        assert variable in done.err


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_broken_model_folder_is_refused(paceline: Paceline, model: Path, name: str) -> None:
    path = model / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = paceline("optimize", str(model), "--engine", "fake")
    assert done.code == 2
    assert "[bad-model]" in done.err
    assert name in done.err
