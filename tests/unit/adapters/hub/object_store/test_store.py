from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.adapters.hub.object_store import ObjectStore
from paceline.errors import Code, SetupError, SpecError
from paceline.testing.hubs import write_model
from paceline.testing.pipelines import write_pipeline


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.rm("/", recursive=True)


@pytest.fixture
def url(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> str:
    folder = write_model(tmp_path / "chat")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "tool.py").write_bytes(b"code")
    memory.put(f"{folder}/", "/models/chat/", recursive=True)
    return "memory://models/chat"


def test_a_model_is_copied_once(url: str, tmp_path: Path) -> None:
    said: list[str] = []
    store = ObjectStore(tmp_path / "cache", say=said.append)
    first = store.fetch(url, weights=True)
    assert store.fetch(url, weights=False) == first
    assert first.name == "chat"
    assert sorted(path.name for path in Path(first.folder).iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert len(said) == 1
    assert not list((tmp_path / "cache" / "fetched").glob(".part-*"))


@pytest.fixture
def pictures(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> Path:
    """A pipeline at `memory://models/flux`, with what is not needed of it."""
    folder = write_pipeline(tmp_path / "flux")
    plain = folder / "vae/diffusion_pytorch_model.safetensors"
    plain.with_name("diffusion_pytorch_model.fp16.safetensors").write_bytes(b"the same in 16 bits")
    weights = folder / "text_encoder/model.safetensors"
    weights.rename(weights.with_name("model.fp16.safetensors"))
    (folder / "vae_old").mkdir()
    (folder / "vae_old/config.json").write_text("{}")
    memory.put(f"{folder}/", "/models/flux/", recursive=True)
    return folder


def test_a_pipeline_is_copied_with_its_components(pictures: Path, tmp_path: Path) -> None:
    fetched = ObjectStore(tmp_path / "cache").fetch("memory://models/flux", weights=True)
    copied = {file.path for file in fetched.files}
    assert {"model_index.json", "tokenizer/vocab.json", "vae/config.json"} < copied
    assert {path for path in copied if path.endswith("safetensors")} == {
        "text_encoder/model.fp16.safetensors",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert not any(path.startswith("vae_old") for path in copied)
    model = LocalHub(tmp_path / "cache").find(fetched.folder)
    assert (model.image_family, {file.path for file in model.files}) == ("flux-schnell", copied)
    assert (pictures / "vae_old").exists()


def test_a_component_that_the_store_lacks_is_named(
    pictures: Path, memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    assert pictures.exists()
    memory.rm("/models/flux/tokenizer", recursive=True)
    fetched = ObjectStore(tmp_path / "cache").fetch("memory://models/flux", weights=True)
    with pytest.raises(SpecError, match="lacks 'tokenizer'"):
        LocalHub(tmp_path / "cache").find(fetched.folder)


def test_a_changed_model_is_another_copy(
    url: str, memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    store = ObjectStore(tmp_path / "cache")
    before = store.fetch(url, weights=True)
    memory.pipe_file("/models/chat/tokenizer.json", b'{"new": true}')
    after = store.fetch(url, weights=True)
    assert after.source == before.source == url
    assert after.folder != before.folder


def test_code_comes_along_only_where_it_is_allowed(url: str, tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "cache", allow_remote_code=True)
    assert (Path(store.fetch(url, weights=True).folder) / "tool.py").exists()


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("memory://nowhere", SpecError, Code.UNKNOWN_NAME),
        ("carrierpigeon://models/chat", SpecError, Code.UNKNOWN_NAME),
        ("s3://bucket/chat", SetupError, Code.MISSING_TOOL),
    ],
)
def test_errors_say_who_must_act(
    name: str, error: type[Exception], code: Code, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        ObjectStore(tmp_path).fetch(name, weights=True)
    assert getattr(caught.value, "code", None) is code


def test_only_urls_are_its_business(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    assert store.covers("gs://bucket/model")
    assert not store.covers("acme/chat")
