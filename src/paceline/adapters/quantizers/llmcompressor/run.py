"""Runs one job of `runtimes/quantizer` in llmcompressor's environment and hears how it goes."""

import json
import re
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import Environment

_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_KEPT_LINES: Final = 200
_SHOWN_LINES: Final = 8
_NO_SPACE: Final = "No space left on device"
_LAYER: Final = re.compile(r"\((\d+)/(\d+)\): Calibrating")
"""llmcompressor 0.14 goes through the model in parts and counts them in a progress bar."""


def run_job(
    job: Mapping[str, object], environment: Environment, scratch: Path, say: Say
) -> str | None:
    """Run `job` to its end, however long that takes; why it failed, `None` when it did not.

    It dies with this process. Raises SetupError when the disk is full.
    """
    order = scratch / "job.json"
    order.write_text(json.dumps(job), encoding="utf-8")
    command = [environment.python, str(_RUN), "quantizer", str(order)]
    variables = {
        "PATH": environment.bin_dir,
        "HOME": str(scratch),  # caches of the tools go with the scratch folder
        "TMPDIR": str(scratch),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    exit_code, lines = _listen(command, variables, say)
    if exit_code == 0:
        return None
    if any(_NO_SPACE in line for line in lines):
        raise SetupError(
            Code.DISK_FULL,
            "the disk filled up while a model was quantized",
            why=f"no space left under {scratch}",
            fix="free space there, or set PACELINE_CACHE to a larger disk",
        )
    return "\n".join(lines[-_SHOWN_LINES:]) or f"it ended with {exit_code} and no words"


def _listen(command: list[str], variables: dict[str, str], say: Say) -> tuple[int, list[str]]:
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    said = ""
    with subprocess.Popen(  # noqa: S603 - built above
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            part = _LAYER.search(line)
            if part is None:
                kept.extend([line.strip()] if line.strip() else [])
            elif part[0] != said:
                said = part[0]
                say(f"reading texts, part {part[1]} of {part[2]}")
    return process.returncode, list(kept)
