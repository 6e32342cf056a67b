"""FLUX, Stable Diffusion 3 and SDXL in miniature, written by `runtimes/image_synth`."""

import os
import subprocess
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError
from paceline.records.launch import Environment
from paceline.records.model import SynthPlan

_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_TIMEOUT_S: Final = 1800.0  # the shapes of full size are 34 GB
_TAIL_LINES: Final = 4
_VOCABULARY: Final = 190
"""Of the CLIP tokenizers: the printable characters twice, inside a word and at its end."""


def _plan(shape: str, pipeline: str, parameters: int) -> SynthPlan:
    return SynthPlan(
        shape=shape,
        architecture=pipeline,
        dtype="bf16",
        parameters=parameters,
        weight_bytes=2 * parameters,
        vocab_size=_VOCABULARY,
    )


SHAPES: Final = (
    _plan("tiny-flux", "FluxPipeline", 235_475),
    _plan("tiny-sd3", "StableDiffusion3Pipeline", 1_475_251),
    _plan("tiny-sdxl", "StableDiffusionXLPipeline", 1_480_295),
)


def write_pipeline(shape: str, out: Path, *, seed: int, environment: Environment) -> None:
    """Seconds, most of them for importing Diffusers. Raises SetupError in the script's words."""
    command = [environment.python, str(_RUN), "image_synth", shape, str(out), "--seed", str(seed)]
    offline = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - built here
            command,
            env={**os.environ, **offline},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(shape, out, f"not done after {_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines()[-_TAIL_LINES:]
        raise _failed(shape, out, "\n".join(lines) or f"it ended with {done.returncode}")


def _failed(shape: str, out: Path, why: str) -> SetupError:
    return SetupError(
        Code.ENGINE_FAILED,
        f"{shape!r} cannot be written to {str(out)!r}",
        why=why,
        fix="see that the folder can be written to; else: paceline engines install diffusers",
    )
