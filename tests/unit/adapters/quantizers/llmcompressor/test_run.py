"""A stand-in for the environment's Python: a shell script that says what llmcompressor says."""

from pathlib import Path

import pytest

from paceline.adapters.quantizers.llmcompressor.run import run_job
from paceline.errors import Code, SetupError
from paceline.records.launch import Environment


def environment(folder: Path, script: str) -> Environment:
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return Environment(
        name="llmcompressor", python=str(python), bin_dir="/usr/bin:/bin", lock=(), lock_sha256=""
    )


def test_progress_is_told_once_per_part(tmp_path: Path) -> None:
    said: list[str] = []
    script = r"printf '(1/2): Calibrating: 0%%\r(1/2): Calibrating: 9%%\r(2/2): Calibrating: 0%%\n'"
    assert run_job({"model": "m"}, environment(tmp_path, script), tmp_path, said.append) is None
    assert said == ["reading texts, part 1 of 2", "reading texts, part 2 of 2"]
    assert (tmp_path / "job.json").read_text() == '{"model": "m"}'


def test_the_last_words_are_the_reason(tmp_path: Path) -> None:
    failing = environment(tmp_path, "echo first; echo 'ValueError: no' >&2; exit 1")
    assert run_job({}, failing, tmp_path, lambda _: None) == "first\nValueError: no"
    silent = environment(tmp_path, "exit 3")
    assert run_job({}, silent, tmp_path, lambda _: None) == "it ended with 3 and no words"


def test_a_full_disk_is_nobodys_fault_but_the_machines(tmp_path: Path) -> None:
    full = environment(tmp_path, "echo 'OSError: [Errno 28] No space left on device'; exit 1")
    with pytest.raises(SetupError) as caught:
        run_job({}, full, tmp_path, lambda _: None)
    assert caught.value.code is Code.DISK_FULL
