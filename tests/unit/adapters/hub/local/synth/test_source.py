import json
from pathlib import Path

import pytest

from paceline.adapters.hub.local.synth.make import plan_model
from paceline.adapters.hub.local.synth.shapes import NAMED_SHAPES
from paceline.adapters.hub.local.synth.source import name_of, read_shape
from paceline.errors import Code, SpecError
from paceline.testing.hubs import CONFIG


@pytest.mark.parametrize(
    ("name", "millions"),
    # As the model cards state them; medium as docs/guides/models.md does.
    [
        ("medium", 143.7),
        ("smollm2-135m", 134.5),
        ("qwen2.5-0.5b", 494.0),
        ("qwen3-0.6b", 596.0),
        ("llama-3.2-1b", 1235.8),
    ],
)
def test_named_shapes_have_the_published_parameter_counts(name: str, millions: float) -> None:
    assert plan_model(name, dtype="bf16").parameters / 1e6 == pytest.approx(millions, abs=0.1)


def test_every_named_shape_has_a_source_and_can_be_made() -> None:
    for name, shape in NAMED_SHAPES.items():
        assert shape.source
        assert plan_model(name, dtype="fp32").weight_bytes > 0


def test_a_config_is_taken_from_a_file_or_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    assert read_shape(str(path)) == read_shape(str(tmp_path)) == CONFIG


def test_a_shape_is_called_without_its_path(tmp_path: Path) -> None:
    assert name_of("Qwen3-0.6B") == "qwen3-0.6b"
    assert name_of(str(tmp_path / "acme/config.json")) == "acme"
    assert name_of(str(tmp_path / "acme.json")) == "acme.json"


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        read_shape("qwen3-6b")
    assert caught.value.code is Code.UNKNOWN_NAME
    assert caught.value.fix == "did you mean 'qwen3-0.6b'?"


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"architectures": ["MixtralForCausalLM"]}, Code.UNSUPPORTED, "dense decoders"),
        ({"num_key_value_heads": 3}, Code.BAD_MODEL, "4 attention heads cannot share 3"),
        ({"head_dim": 5}, Code.BAD_MODEL, "the head size 5 is odd"),
    ],
)
def test_a_config_that_cannot_be_made_is_refused(
    tmp_path: Path, change: dict[str, object], code: Code, why: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIG, **change}))
    with pytest.raises(SpecError) as caught:
        read_shape(str(path))
    assert caught.value.code is code
    assert why in caught.value.why
