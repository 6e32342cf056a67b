import json
import shutil
from pathlib import Path

import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.errors import Code, SpecError
from paceline.testing.pipelines import PARAMETERS, write_pipeline


@pytest.fixture
def hub(tmp_path: Path) -> LocalHub:
    return LocalHub(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path / "flux")


def refusal(hub: LocalHub, folder: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        hub.find(str(folder))
    return caught.value


def test_an_image_model_is_counted_from_the_headers_of_all_its_parts(
    hub: LocalHub, folder: Path
) -> None:
    model = hub.find(str(folder))
    assert (model.name, model.architecture, model.format) == ("flux", "FluxPipeline", "bf16")
    assert model.parameters == PARAMETERS
    assert model.weight_bytes > 2 * PARAMETERS
    assert (model.layers, model.kv_heads, model.max_context_tokens) == (0, 0, None)


def test_files_are_called_by_their_path_in_the_folder(hub: LocalHub, folder: Path) -> None:
    paths = [file.path for file in hub.find(str(folder)).files]
    assert "transformer/diffusion_pytorch_model.safetensors" in paths
    assert "text_encoder/model.safetensors" in paths
    assert "tokenizer/vocab.json" in paths
    assert "model_index.json" in paths


def test_a_folder_that_the_index_does_not_name_is_no_part(hub: LocalHub, folder: Path) -> None:
    before = hub.find(str(folder))
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker/config.json").write_text("{}")
    assert hub.find(str(folder)) == before


@pytest.mark.parametrize("component", ["transformer", "text_encoder", "scheduler", "vae"])
def test_a_missing_component_is_named_with_its_class(
    hub: LocalHub, folder: Path, component: str
) -> None:
    shutil.rmtree(folder / component)
    error = refusal(hub, folder)
    assert error.code is Code.BAD_MODEL
    assert f"lacks {component!r} (" in error.what
    assert "names 5 components, 4 of them are there" in error.why
    assert repr(component) in error.fix


@pytest.mark.parametrize(
    ("gone", "what"),
    [
        ("tokenizer/vocab.json", "'tokenizer'"),
        ("scheduler/scheduler_config.json", "'scheduler'"),
        ("vae/config.json", "'vae'"),
        ("vae/diffusion_pytorch_model.safetensors", "no weights"),
        ("text_encoder/model.safetensors", "no weights"),
    ],
)
def test_a_component_without_its_files_is_refused(
    hub: LocalHub, folder: Path, gone: str, what: str
) -> None:
    (folder / gone).unlink()
    error = refusal(hub, folder)
    assert error.code is Code.BAD_MODEL
    assert what in error.what


def test_sixteen_bit_files_are_read_where_the_plain_ones_are_not_there(
    hub: LocalHub, folder: Path
) -> None:
    plain = folder / "vae/diffusion_pytorch_model.safetensors"
    both = plain.with_name("diffusion_pytorch_model.fp16.safetensors")
    shutil.copy(plain, both)
    held = {file.path for file in hub.find(str(folder)).files}
    assert "vae/diffusion_pytorch_model.safetensors" in held
    plain.unlink()
    model = hub.find(str(folder))
    assert model.parameters == PARAMETERS
    assert "vae/diffusion_pytorch_model.fp16.safetensors" in {file.path for file in model.files}


def test_a_pipeline_is_outlined_without_its_weights(hub: LocalHub, folder: Path) -> None:
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    model = hub.outline(str(folder))
    assert (model.image_family, model.architecture) == ("flux-schnell", "FluxPipeline")
    assert (model.files, model.parameters) == ((), 0)
    (folder / "vae/config.json").unlink()
    with pytest.raises(SpecError, match="component 'vae'"):
        hub.outline(str(folder))


def test_shards_of_a_component_need_its_own_index(hub: LocalHub, folder: Path) -> None:
    weights = folder / "transformer/diffusion_pytorch_model.safetensors"
    shard = weights.rename(weights.with_name("diffusion_pytorch_model-00001-of-00001.safetensors"))
    assert "diffusion_pytorch_model.safetensors.index.json" in refusal(hub, folder).fix
    placed = {"blocks.0.weight": shard.name, "blocks.0.bias": shard.name}
    index = weights.with_name("diffusion_pytorch_model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": placed}))
    assert hub.find(str(folder)).parameters == PARAMETERS


def test_code_of_its_own_needs_leave(hub: LocalHub, tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "own", vae=["mine", "Decoder"])
    error = refusal(hub, folder)
    assert "Python code" in error.what
    assert "--allow-remote-code" in error.fix
    assert LocalHub(tmp_path, allow_remote_code=True).find(str(folder)).parameters == PARAMETERS


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ({"_class_name": ["mine", "Pipeline"]}, "_class_name"),
        ({"vae": [None, "AutoencoderKL"]}, "'vae'"),
        ({"../vae": ["diffusers", "AutoencoderKL"]}, "'../vae'"),
        ({"transformer": [None, None]}, "transformer or a unet"),
    ],
)
def test_an_index_that_describes_no_image_model(
    hub: LocalHub, tmp_path: Path, index: dict[str, object], why: str
) -> None:
    folder = write_pipeline(tmp_path / "odd")
    document = json.loads((folder / "model_index.json").read_bytes()) | index
    (folder / "model_index.json").write_text(json.dumps(document))
    error = refusal(hub, folder)
    assert error.code is Code.BAD_MODEL
    assert why in error.why
