"""A checkpoint is compared with its original before anything runs, and once."""

import json
from pathlib import Path

import numpy as np
import pytest

from paceline.app import soundness
from paceline.app.soundness import checked_weights
from paceline.errors import CandidateError, Code
from paceline.records.launch import Artefact
from paceline.testing.builders import a_model

CHANCE = np.random.default_rng(0)
WEIGHTS = CHANCE.standard_normal((64, 256)).astype(np.float32)
SCALES = np.abs(WEIGHTS).max(axis=1, keepdims=True) / 127
NAMES = ("model.layers.0.up", "model.layers.1.up", "model.layers.2.up")


def write(
    folder: Path, *, scales: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]
) -> Path:
    """Three matrices of int8, or of floats where no scale is given."""
    folder.mkdir(exist_ok=True)
    header, data = {}, b""
    for name in NAMES:
        values = np.round(WEIGHTS / SCALES).astype(np.int8) if scales else WEIGHTS
        kind = "I8" if scales else "F32"
        parts = [("weight", kind, values)]
        parts += [("weight_scale", "F32", scales[name])] if scales else []
        for part, dtype, tensor in parts:
            offsets = [len(data), len(data) + tensor.nbytes]
            shape = list(tensor.shape)
            header[f"{name}.{part}"] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
            data += tensor.tobytes()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    groups = {"config_groups": {"all": {"weights": {"num_bits": 8}}}}
    (folder / "config.json").write_text(
        json.dumps({"quantization_config": groups if scales else None})
    )
    return folder


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write(tmp_path / "original", scales={})


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write(tmp_path / "sound", scales=dict.fromkeys(NAMES, SCALES))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    wrong = CHANCE.permutation(SCALES)
    return write(tmp_path / "damaged", scales={**dict.fromkeys(NAMES, SCALES), NAMES[1]: wrong})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which folders were opened, in their order."""
    found: list[Path] = []
    real = soundness.open_weights

    def opening(folder: Path) -> object:
        found.append(folder)
        return real(folder)

    monkeypatch.setattr(soundness, "open_weights", opening)
    return found


def artefact(folder: Path) -> Artefact:
    return Artefact(folder=str(folder), format="w8a8", sha256="ab", size_bytes=1)


def check(folder: Path, original: Path) -> Artefact:
    cache = original.parent / "cache"
    return checked_weights(artefact(folder), a_model(), original, cache=cache, say=lambda _: None)


def test_a_sound_checkpoint_passes_and_is_read_once(
    sound: Path, original: Path, opened: list[Path]
) -> None:
    assert check(sound, original) == check(sound, original) == artefact(sound)
    assert opened == [original, sound]


def test_a_damaged_one_is_refused_with_the_matrix_and_both_numbers(
    damaged: Path, original: Path, opened: list[Path]
) -> None:
    with pytest.raises(CandidateError):
        check(damaged, original)
    with pytest.raises(CandidateError) as caught:
        check(damaged, original)
    assert opened == [original, damaged]
    assert caught.value.code is Code.DAMAGED_CHECKPOINT
    assert f"the scales of {NAMES[1]!r} are wrong by" in caught.value.why
    assert "rounding to 8 bits explains at most" in caught.value.why
    assert str(damaged) in caught.value.fix


def test_files_that_changed_are_compared_again(
    sound: Path, original: Path, opened: list[Path]
) -> None:
    check(sound, original)
    with (sound / "model.safetensors").open("r+b") as file:
        file.seek(-SCALES.nbytes, 2)
        file.write(CHANCE.permutation(SCALES).tobytes())
    with pytest.raises(CandidateError) as caught:
        check(sound, original)
    assert NAMES[2] in caught.value.why
    assert len(opened) == 4


def test_what_was_kept_and_cannot_be_read_is_found_anew(sound: Path, original: Path) -> None:
    check(sound, original)
    (kept,) = (original.parent / "cache" / soundness.FOLDER).iterdir()
    kept.write_text("{")
    assert check(sound, original) == artefact(sound)
    assert json.loads(kept.read_text()) == {"damage": None}


def test_a_model_used_as_it_is_and_an_unknown_layout_pass(
    original: Path, tmp_path: Path, opened: list[Path]
) -> None:
    assert check(original, original) == artefact(original)
    assert opened == []
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "weights.xyz").write_bytes(b"?")
    assert check(strange, original) == artefact(strange)


def test_files_that_went_away_or_end_too_early_are_for_the_engine_to_tell(
    sound: Path, original: Path, tmp_path: Path
) -> None:
    assert check(tmp_path / "evicted", original) == artefact(tmp_path / "evicted")
    with (sound / "model.safetensors").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 100)
    assert check(sound, original) == artefact(sound)
