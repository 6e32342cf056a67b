from pathlib import Path

import pytest

from paceline.app import models
from paceline.app.artefacts import kept
from paceline.app.models import find_relatives, plan_quantize, quantize
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import CandidateError, Code, SpecError
from paceline.records.launch import Artefact
from paceline.testing.hubs import write_model


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_model(tmp_path / "chat"))


def test_one_format_that_fails_stops_no_other(
    shop: Workshop, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artefacts" / "tool" / "fp8-1"
    folder.mkdir(parents=True)

    def make(_model: object, format_: str, *_: object, **__: object) -> Artefact:
        if format_ == "w8a8":
            raise CandidateError(Code.UNSUPPORTED, "not w8a8", why="because", fix="no")
        return Artefact(folder=str(folder), format=format_, sha256="0", size_bytes=0)

    monkeypatch.setattr(models, "make_format", make)
    said: list[str] = []
    found, made = quantize(model, ("w8a8", "fp8"), shop, text=None, say=said.append)
    assert found.name == "chat"
    assert [(one.format, one.why_not) for one in made] == [
        ("w8a8", "not w8a8: because"),
        ("fp8", None),
    ]
    assert said[0].startswith("w8a8: not w8a8")
    (one,) = kept(tmp_path, {})
    assert one.used_at_s >= folder.stat().st_mtime


def test_an_unknown_format_is_refused_before_anything_is_looked_at(shop: Workshop) -> None:
    for ask in (
        lambda: quantize("/nowhere", ("w8a8", "w3"), shop, text=None, say=lambda _: None),
        lambda: plan_quantize("/nowhere", ("w3",), shop),
    ):
        with pytest.raises(SpecError) as caught:
            ask()
        assert "'w3'" in caught.value.what


def test_what_would_be_made_is_known_without_making_it(shop: Workshop, model: str) -> None:
    gptq, w8a8, gguf = plan_quantize(model, ("gptq-4", "w8a8", "gguf-q4_0"), shop)
    assert "128 weights" in (gptq.why_not or "")
    assert (w8a8.maker, w8a8.why_not) == ("llmcompressor", None)
    assert (gguf.maker, gguf.why_not) == ("llamacpp", None)


@pytest.mark.parametrize("name", ["reference", "s3://bucket/chat"])
def test_only_models_of_a_hub_have_relatives(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    with pytest.raises(SpecError) as caught:
        find_relatives(name, limit=1, allow_remote_code=False, say=lambda _: None)
    assert "ORG/NAME" in caught.value.why
