import errno
import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from paceline.adapters.hub.local.synth import make
from paceline.adapters.hub.local.synth.make import make_model, plan_model
from paceline.adapters.hub.local.synth.marker import read_marker
from paceline.errors import Code, PacelineError, SetupError, SpecError
from paceline.testing.hubs import CONFIG


def quiet(_line: str) -> None:
    """Progress is not what is tested."""


def refusal(shape: str, out: Path, *, dtype: str = "bf16", seed: int = 0) -> PacelineError:
    with pytest.raises(PacelineError) as caught:
        make_model(shape, out, dtype=dtype, seed=seed, say=quiet)
    return caught.value


def test_writes_a_marked_model_and_nothing_beside_it(tmp_path: Path) -> None:
    make_model("Tiny", tmp_path / "new" / "out", dtype="bf16", seed=7, say=quiet)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    marker = read_marker(tmp_path / "new" / "out")
    assert marker is not None
    assert (marker.trained, marker.shape, marker.seed) == (False, "tiny", 7)


def test_config_speaks_of_the_new_weights_only(tmp_path: Path) -> None:
    source = {
        **CONFIG,
        "vocab_size": 512,
        "auto_map": {"AutoModel": "m.M"},
        "quantization_config": {"quant_method": "gptq", "bits": 4},
        "torch_dtype": "bfloat16",
        "eos_token_id": 511,
        "rope_theta": 1e6,
    }
    (tmp_path / "config.json").write_text(json.dumps(source))
    make_model(str(tmp_path), tmp_path / "out", dtype="fp16", seed=0, say=quiet)
    written = json.loads((tmp_path / "out/config.json").read_text())
    assert "auto_map" not in written
    assert "quantization_config" not in written
    assert (written["torch_dtype"], written["rope_theta"]) == ("float16", 1e6)
    generation = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert written["eos_token_id"] == generation["eos_token_id"] < 511


def test_an_empty_folder_may_be_filled_and_a_full_one_may_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    make_model("tiny", out, dtype="bf16", seed=0, say=quiet)
    before = (out / "model.safetensors").read_bytes()
    error = refusal("tiny", out, seed=1)
    assert isinstance(error, SpecError)
    assert (out / "model.safetensors").read_bytes() == before


def test_a_disk_without_room_is_refused_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    error = refusal("medium", tmp_path / "out")
    assert isinstance(error, SetupError)
    assert error.code is Code.DISK_FULL
    assert error.why == "needs 0.30 GB, 0.01 GB are free"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_args: object, **_kwargs: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(make, "write_tokenizer", fill)
    assert refusal("tiny", tmp_path / "out").code is Code.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refusal("tiny", tmp_path / "file" / "deep" / "out")
    assert isinstance(error, SpecError)
    assert "Not a directory" in error.why


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    assert "fp32" in refusal("tiny", tmp_path / "out", dtype="int4").why
    assert refusal("tiny", tmp_path / "out", seed=-1).code is Code.BAD_OPTION


def test_a_vocabulary_too_small_for_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": 64}))
    with pytest.raises(SpecError, match="64 tokens"):
        plan_model(str(tmp_path), dtype="bf16")
