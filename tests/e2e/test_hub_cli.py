"""Models of a hub as people use them: the real command, a double of the hub."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Done, Paceline

from paceline.testing.hubs import CONFIG, PARAMETERS, write_model
from paceline.testing.model_hub import DoubleRepo, ModelHub, serve_hub
from paceline.testing.pipelines import SMALL, write_pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

Command = Callable[..., Done]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    folder = write_model(tmp_path / "chat")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    awq = {**CONFIG, "quantization_config": {"quant_method": "awq", "bits": 4}}
    with serve_hub() as hub:
        hub.add(DoubleRepo(name="acme/chat", files=files, stored={"BF16": PARAMETERS}))
        for name, base in (("labs/chat-AWQ", "acme/chat"), ("fakes/chat-AWQ", "rival/chat")):
            hub.add(
                DoubleRepo(
                    name=name,
                    files={"config.json": json.dumps(awq).encode(), "model.safetensors": 900},
                    tags=(f"base_model:quantized:{base}", "license:mit"),
                )
            )
        hub.add(DoubleRepo(name="acme/gated", files=files, gated="auto"))
        yield hub


@pytest.fixture
def ask(paceline: Paceline, hub: ModelHub, tmp_path: Path) -> Command:
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": "",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return lambda *words: paceline(*words, **settings)


def test_relatives_are_listed_and_the_wrong_base_is_refused(ask: Command) -> None:
    found = ask("models", "find", "acme/chat", "--json")
    assert found.code == 0, found.err
    (awq,) = found.document["candidates"]
    assert (awq["rank"], awq["repo"], awq["format"]) == (1, "labs/chat-AWQ", "awq-4")
    assert (awq["size_bytes"], awq["licence"]) == (900, "mit")
    (fake,) = found.document["misfits"]
    assert (fake["have"], fake["need"]) == ("rival/chat", "acme/chat")


def test_a_model_of_the_hub_is_planned_without_its_weights(ask: Command, hub: ModelHub) -> None:
    planned = ask("plan", "acme/chat", "--engine", "vllm", "--json")
    assert planned.code == 0, planned.err
    assert any(line.endswith("/config.json") for line in hub.asked)
    assert not any("GET" in line and line.endswith("safetensors") for line in hub.asked)


def test_an_image_model_of_the_hub_is_planned_from_its_configs(
    ask: Command, hub: ModelHub, tmp_path: Path
) -> None:
    folder = write_pipeline(tmp_path / "flux", configs=SMALL)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    hub.add(DoubleRepo(name="acme/flux", files=files))
    rent = ("--hardware", "l40s", "--workload", "image,size=64x64", "--json")
    planned = ask("plan", "acme/flux", *rent)
    assert planned.code == 0, planned.err
    (placed,) = planned.document["by_accelerator"]
    assert placed["metrics"]["cost_usd_per_image"]["value"] > 0
    unfitting = ask("optimize", "acme/flux")
    assert unfitting.code == 2
    assert "fix: --workload image" in unfitting.err
    assert not any("GET" in line and line.endswith("safetensors") for line in hub.asked)


def test_no_access_and_too_many_questions_have_their_exit_codes(
    ask: Command, hub: ModelHub
) -> None:
    gated = ask("models", "inspect", "acme/gated")
    assert gated.code == 3
    assert "[model-gated]" in gated.err
    hub.busy = True
    busy = ask("models", "find", "acme/chat")
    assert busy.code == 4
    assert "[rate-limited]" in busy.err
    assert "Traceback" not in gated.err + busy.err
