"""What the contract does not say about the local hub; see tests/contract/test_hubs.py."""

import json
from pathlib import Path

import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.errors import SpecError
from paceline.ports.hub import CanSynthesize
from paceline.testing.hubs import CONFIG, write_model, write_safetensors, write_shards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "acme")


@pytest.fixture
def hub(tmp_path: Path) -> LocalHub:
    return LocalHub(tmp_path / "cache")


def test_model_with_code_of_its_own_needs_leave(
    folder: Path, hub: LocalHub, tmp_path: Path
) -> None:
    config = {**CONFIG, "auto_map": {"AutoModelForCausalLM": "modeling.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecError, match="auto_map") as caught:
        hub.find(str(folder))
    assert "--allow-remote-code" in caught.value.fix
    trusting = LocalHub(tmp_path / "cache", allow_remote_code=True)
    assert trusting.find(str(folder)).architecture == "LlamaForCausalLM"


def test_only_files_that_engines_read_are_hashed(folder: Path, hub: LocalHub) -> None:
    before = hub.find(str(folder))
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / ".gitattributes").touch()
    (folder / "original").mkdir()
    write_safetensors(folder / "consolidated.safetensors", {"a": (1,)})
    assert hub.find(str(folder)) == before


def test_weights_of_all_shards_count(folder: Path, hub: LocalHub) -> None:
    shards = write_shards(folder)
    model = hub.find(str(folder))
    assert model.weight_bytes == sum((folder / name).stat().st_size for name in shards)


def test_folder_without_chat_template_says_so(folder: Path, hub: LocalHub) -> None:
    assert not hub.find(str(folder)).has_chat_template
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert hub.find(str(folder)).has_chat_template


def test_marked_model_is_not_trained(folder: Path, hub: LocalHub) -> None:
    (folder / "paceline_synth.json").write_text(json.dumps({"trained": False, "seed": 1}))
    assert not hub.find(str(folder)).trained


def test_makes_what_it_finds(tmp_path: Path, hub: LocalHub) -> None:
    assert isinstance(hub, CanSynthesize)
    plan = hub.plan_synth("tiny", dtype="fp16")
    made = hub.synthesize("tiny", tmp_path / "out", dtype="fp16", seed=3)
    assert made == hub.find(str(tmp_path / "out"))
    assert (made.parameters, made.format, made.trained) == (plan.parameters, "fp16", False)
    assert made.has_chat_template
    assert 0 < made.weight_bytes - plan.weight_bytes < 10_000  # the header
