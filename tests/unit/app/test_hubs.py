"""Names go to the source whose form they have; folders and installed models go to none."""

import json
from pathlib import Path

import pytest

from paceline.app.hubs import AnyHub
from paceline.errors import Code, SpecError
from paceline.records.checkpoint import Fetched
from paceline.records.model import FileHash
from paceline.testing.hubs import CONFIG, PARAMETERS, write_model


class Shelf:
    """A source that has one model, in a folder, and leaves its weights where they are."""

    def __init__(self, folder: Path, *, sha256: str = "7" * 64, format_: str | None = None) -> None:
        self.folder = folder
        self.sha256 = sha256
        self.format = format_

    def covers(self, name: str) -> bool:
        return name.startswith("shelf:")

    def fetch(self, name: str, *, weights: bool) -> Fetched:
        if not weights:
            (self.folder / "model.safetensors").unlink(missing_ok=True)
        return Fetched(
            name="chat",
            source=f"{name}@1",
            folder=str(self.folder),
            files=(FileHash(path="model.safetensors", sha256=self.sha256, size_bytes=9),),
            format=self.format,
            stored=(("BF16", PARAMETERS), ("F32", 1)),
        )


def hub_with(shelf: Shelf, cache: Path, patch: pytest.MonkeyPatch) -> AnyHub:
    hub = AnyHub(cache)
    patch.setattr(hub, "sources", lambda: iter([shelf]))
    return hub


def test_a_folder_is_no_name_for_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "acme" / "chat")
    monkeypatch.chdir(tmp_path)
    assert AnyHub(tmp_path / "cache").find("acme/chat").source is None


def test_the_reference_model_is_found_as_it_is(tmp_path: Path) -> None:
    assert AnyHub(tmp_path).preview("reference").source is None


def test_a_copy_that_differs_from_what_was_stated_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_with(Shelf(write_model(tmp_path / "1")), tmp_path / "cache", monkeypatch)
    with pytest.raises(SpecError) as caught:
        hub.find("shelf:chat")
    assert caught.value.code is Code.BAD_MODEL
    assert "777777777777" in caught.value.why


def test_an_outline_is_made_from_the_config_and_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_with(Shelf(write_model(tmp_path / "1")), tmp_path / "cache", monkeypatch)
    model = hub.preview("shelf:chat")
    assert (model.name, model.source) == ("chat", "shelf:chat@1")
    assert (model.format, model.parameters) == ("bf16", PARAMETERS + 1)
    assert (model.layers, model.kv_heads, model.head_size) == (1, 2, 4)
    assert model.weight_bytes == 9
    assert not model.has_chat_template


def test_an_outline_of_a_hybrid_has_the_heads_of_its_attention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "1")
    hybrid = {
        "model_type": "bamba", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100,
        "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2,
        "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16,
        "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(hybrid))
    hub = hub_with(Shelf(folder), tmp_path / "cache", monkeypatch)
    model = hub.preview("shelf:chat")
    assert (model.kv_heads, model.head_size) == (2, 16)


def test_an_outline_of_quantized_weights_counts_parameters_by_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "1")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{x}}"}))
    hub = hub_with(Shelf(folder, format_="awq-4"), tmp_path / "cache", monkeypatch)
    model = hub.preview("shelf:chat")
    assert model.format == "awq-4"
    assert model.parameters == pytest.approx(PARAMETERS, rel=0.02)
    assert model.has_chat_template
    assert CONFIG["num_hidden_layers"] == model.layers
