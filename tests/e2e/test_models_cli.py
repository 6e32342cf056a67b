"""`paceline models` as people run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def paceline(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folders = {"PACELINE_CACHE": str(tmp_path / "cache"), "PACELINE_DATA": str(tmp_path / "data")}
    folders |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "paceline", "models", *words],
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_made_model_is_found_complete(tmp_path: Path) -> None:
    out = tmp_path / "speed"
    made = paceline(tmp_path, "synth", "tiny", str(out), "--seed", "5", "--json")
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert document["trained"] is False
    assert "writing model.safetensors" in made.stderr
    inspected = paceline(tmp_path, "inspect", str(out), "--json")
    assert json.loads(inspected.stdout) == document
    text = paceline(tmp_path, "inspect", str(out)).stdout
    assert "speed: LlamaForCausalLM, 0.4M parameters, bf16" in text
    assert "quality not measurable" in text


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = paceline(tmp_path, "synth", "qwen3-0.6b", str(tmp_path / "out"), "--dry-run")
    assert "596.0M parameters, bf16, 1,192.1 MB would be written" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_truncated_model_is_one_clear_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert paceline(tmp_path, "synth", "tiny", str(out)).returncode == 0
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000])
    done = paceline(tmp_path, "inspect", str(out))
    assert done.returncode == 2
    assert done.stdout == ""
    what, why, fix = done.stderr.splitlines()
    assert what.endswith("is truncated [bad-model]")
    assert why.strip().startswith("why: it is 1,000 bytes long")
    assert "its header needs" in why
    assert fix.strip() == "fix: fetch 'model.safetensors' again"


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("inspect", "acme/never-fetched"), 3, "hub-unreachable"),
        (("inspect", "carrierpigeon://acme"), 2, "unknown-name"),
        (("quantize", "reference", "--format", "int3"), 2, "unknown-name"),
        (("inspect", "."), 2, "bad-model"),
        (("synth", "qwen3-7b", "out"), 2, "unknown-name"),
        (("synth", "tiny", ".", "--seed", "1"), 2, "bad-option"),
        (("synth", "tiny", "out", "--dtype", "int3"), 2, "bad-option"),
    ],
)
def test_wrong_requests_exit_with_their_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, name: str
) -> None:
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    done = paceline(tmp_path, *words)
    assert done.returncode == code
    assert f"[{name}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
