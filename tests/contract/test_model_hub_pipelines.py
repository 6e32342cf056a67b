"""Image pipelines of a hub: the real client fetches what they need from a double, no more."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from paceline.adapters.hub.huggingface import HuggingFaceHub
from paceline.app.hubs import AnyHub
from paceline.errors import Code, PacelineError, SetupError, SpecError
from paceline.testing.hubs import write_safetensors
from paceline.testing.model_hub import TOKEN, DoubleRepo, ModelHub
from paceline.testing.pipelines import DENOISER, PARAMETERS, SMALL, Configs, write_pipeline

pytestmark = pytest.mark.enable_socket

NAME = "acme/pictures"
CONFIGS: Configs = {
    **SMALL,
    "vae": {"block_out_channels": [4, 8, 8, 8], "layers_per_block": 1},
}
NOT_NEEDED = {
    "flux1.safetensors": 24_000,
    "vae/diffusion_pytorch_model.onnx": 300,
    "transformer/diffusion_pytorch_model.bin": 900,
    "vae_1_0/diffusion_pytorch_model.safetensors": 90,
    "text_encoder/openvino_model.xml": 10,
    "images/grid.jpg": 70_000_000,
}


def files_of(folder: Path) -> dict[str, bytes | int]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path / "pictures", configs=CONFIGS)


@pytest.fixture
def repo(model_hub: ModelHub, pipeline: Path) -> DoubleRepo:
    return model_hub.add(DoubleRepo(name=NAME, files={**files_of(pipeline), **NOT_NEEDED}))


def fetched(hub: ModelHub) -> set[str]:
    """Paths that were sent."""
    asked = (line.partition("/resolve/")[2] for line in hub.asked if line.startswith("GET"))
    return {path.partition("/")[2] for path in asked if path}


def test_only_the_files_of_the_components_are_fetched(
    model_hub: ModelHub, repo: DoubleRepo, pipeline: Path, tmp_path: Path
) -> None:
    model = AnyHub(tmp_path / "cache").find(NAME)
    assert (model.name, model.image_family) == ("pictures", "flux-schnell")
    assert model.source == f"{NAME}@{repo.revision}"
    assert model.parameters == PARAMETERS
    needed = set(files_of(pipeline))
    assert fetched(model_hub) <= needed == {file.path for file in model.files}


def test_a_pipeline_is_planned_without_its_weights(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path
) -> None:
    hub = AnyHub(tmp_path / "cache")
    seen = hub.preview(NAME)
    assert not any(path.endswith("safetensors") for path in fetched(model_hub))
    assert (seen.image_family, seen.source) == ("flux-schnell", f"{NAME}@{repo.revision}")
    assert seen.parameters > 0
    found = hub.find(NAME)
    assert (found.sha256, found.weight_bytes) == (seen.sha256, seen.weight_bytes)
    assert hub.preview(NAME) == found


def test_what_was_fetched_is_not_fetched_again_and_serves_offline(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repo.files
    hub = AnyHub(tmp_path / "cache")
    before = hub.find(NAME)
    model_hub.asked.clear()
    assert hub.find(NAME) == before
    assert fetched(model_hub) == set()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model_hub.asked.clear()
    assert hub.find(NAME).sha256 == before.sha256
    assert model_hub.asked == []


def test_a_broken_off_fetch_goes_on_with_what_is_missing(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path
) -> None:
    last = "vae/diffusion_pytorch_model.safetensors"
    content = repo.files[last]
    assert isinstance(content, bytes)
    # As long as it is said to be, and not sent: the double answers 404.
    model_hub.add(replace(repo, files={**repo.files, last: len(content)}))
    AnyHub(tmp_path / "cache").preview(NAME)
    whole = fetched(model_hub)
    # Which of the other weights came before the failure is chance: they come side by side.
    with pytest.raises(PacelineError):
        AnyHub(tmp_path / "cache").find(NAME)
    model_hub.add(repo)
    model_hub.asked.clear()
    assert AnyHub(tmp_path / "cache").find(NAME).parameters == PARAMETERS
    assert last in fetched(model_hub)
    assert not fetched(model_hub) & whole


def test_sixteen_bits_are_fetched_where_the_plain_files_have_thirty_two(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path
) -> None:
    half = tmp_path / "half.safetensors"
    write_safetensors(half, DENOISER)
    plain = "transformer/diffusion_pytorch_model.safetensors"
    named: dict[str, bytes | int] = {
        plain: 2 * half.stat().st_size,
        plain.replace(".saf", ".fp16.saf"): half.read_bytes(),
    }
    model_hub.add(replace(repo, files={**repo.files, **named}))
    model = AnyHub(tmp_path / "cache").find(NAME)
    assert model.parameters == PARAMETERS
    held = {file.path for file in model.files}
    assert plain.replace(".saf", ".fp16.saf") in held
    assert plain not in held | fetched(model_hub)


def test_shards_are_fetched_with_their_index_and_must_all_be_there(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path
) -> None:
    names = [f"transformer/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    parts: dict[str, bytes | int] = {}
    placed = {}
    for path, (tensor, shape) in zip(names, DENOISER.items(), strict=True):
        part = tmp_path / "part.safetensors"
        write_safetensors(part, {tensor: shape})
        parts[path] = part.read_bytes()
        placed[tensor] = path.partition("/")[2]
    index = "transformer/diffusion_pytorch_model.safetensors.index.json"
    others = {p: f for p, f in repo.files.items() if p != index.removesuffix(".index.json")}
    document = json.dumps({"weight_map": placed}).encode()
    model_hub.add(replace(repo, files={**others, **parts, index: document}))
    assert AnyHub(tmp_path / "cache").find(NAME).parameters == PARAMETERS
    del parts[names[1]]
    model_hub.add(replace(repo, files={**others, **parts, index: document}))
    with pytest.raises(SpecError) as raised:
        HuggingFaceHub(tmp_path).fetch(NAME, weights=True)
    assert "1 shards; needed 2 shards and" in raised.value.why


def test_what_is_missing_is_named_before_weights_are_fetched(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path
) -> None:
    def error(files: dict[str, bytes | int]) -> SpecError:
        model_hub.add(replace(repo, files=files))
        with pytest.raises(SpecError) as raised:
            AnyHub(tmp_path / "cache").find(NAME)
        assert raised.value.code is Code.BAD_MODEL
        assert not any(path.endswith("safetensors") for path in fetched(model_hub))
        return raised.value

    without = {p: f for p, f in repo.files.items() if not p.startswith(("vae/", "tokenizer/"))}
    found = error(without)
    assert "components that are not there: tokenizer, vae" in found.why
    assert "3 components; needed 5" in found.why
    light = {p: f for p, f in repo.files.items() if p != "text_encoder/model.safetensors"}
    assert "'text_encoder' has no weights: no model.safetensors" in error(light).why
    assert "pickles" in error({**light, "text_encoder/pytorch_model.bin": 9}).why
    assert "is broken" in error({**repo.files, "model_index.json": b"{"}).what
    content = repo.files["model_index.json"]
    assert isinstance(content, bytes)
    index = json.loads(content)
    own = json.dumps({**index, "vae": ["mine", "Decoder"]}).encode()
    assert "component 'vae' is from 'mine'" in error({**repo.files, "model_index.json": own}).why


def test_parts_of_a_model_are_no_model(model_hub: ModelHub, tmp_path: Path) -> None:
    model_hub.add(DoubleRepo(name=NAME, files={"sdxl_lightning_4step_unet.safetensors": 5_000}))
    with pytest.raises(SpecError, match="cannot be loaded") as raised:
        AnyHub(tmp_path / "cache").find(NAME)
    assert "1 safetensors files, none is called model.safetensors" in raised.value.why


def test_a_gate_is_said_and_opens_with_a_token(
    model_hub: ModelHub, repo: DoubleRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_hub.add(replace(repo, gated="auto"))
    with pytest.raises(SetupError) as raised:
        AnyHub(tmp_path / "cache").find(NAME)
    assert raised.value.code is Code.MODEL_GATED
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert AnyHub(tmp_path / "cache").find(NAME).parameters == PARAMETERS
