"""`LlmCompressor`: runs `runtimes/quantizer` in llmcompressor's environment, once per artefact."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paceline.adapters.quantizers.llmcompressor.folder import RECEIPT, make_once, size_bytes
from paceline.adapters.quantizers.llmcompressor.recipes import IGNORED, RECIPES, Recipe
from paceline.adapters.quantizers.llmcompressor.run import run_job
from paceline.adapters.quantizers.llmcompressor.widths import first_indivisible
from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.engine import Say
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment, EnvironmentSpec
from paceline.records.model import Model

VERSION: Final = "0.14.0"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="llmcompressor",
    requirements=(
        f"llmcompressor=={VERSION}",
        *("torch==2.13.0", "transformers==5.17.0", "compressed-tensors==0.19.0"),
    ),
)
_MAKERS: Final = ("llmcompressor", "compressed-tensors", "torch", "transformers")
"""What decides the bytes that come out, and so is part of the artefact's name."""
_UNQUANTIZED: Final = ("bf16", "fp16", "fp32")
_NOT_COPIED: Final = (".safetensors", ".safetensors.index.json")
_MAX_TOKENS: Final = 512
_SEED: Final = 0


class LlmCompressor:
    """A `Quantizer`."""

    name = "llmcompressor"
    version = VERSION

    def environment(self) -> EnvironmentSpec:
        return _ENVIRONMENT

    def formats(self) -> tuple[str, ...]:
        return tuple(RECIPES)

    def refusal(self, model: Model, format_: str) -> str | None:
        recipe = RECIPES.get(format_)
        if recipe is None:
            return f"llmcompressor makes {', '.join(RECIPES)}, not {format_}"
        if model.format not in _UNQUANTIZED:
            return f"the model is in {model.format} already; only {', '.join(_UNQUANTIZED)} can be"
        if recipe.group_size is None:
            return None
        found = first_indivisible(model, recipe.group_size)
        if found is None:
            return None
        layer, width = found
        return (
            f"{format_} shares a scale among {recipe.group_size} weights, which do not divide"
            f" the {width} inputs of {layer!r}"
        )

    def make(
        self,
        model: Model,
        format_: str,
        *,
        calibration: Calibration,
        environment: Environment,
        cache: Path,
        say: Say,
    ) -> Artefact:
        refusal = self.refusal(model, format_)
        if refusal is not None:
            raise _refused(model, format_, refusal)
        recipe = RECIPES[format_]
        text = _text(recipe, environment)
        made_from = [model.sha256, text, calibration.sha256 if recipe.calibrated else None]
        sha256 = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
        folder = cache / "artefacts" / self.name / f"{format_}-{sha256[:24]}"

        def fill(output: Path) -> Mapping[str, object]:
            say(f"quantizing {model.name} to {format_}")
            texts = calibration.texts if recipe.calibrated else ()
            failure = run_job(_job(model, recipe, texts, output), environment, output.parent, say)
            if failure is not None:
                raise _refused(model, format_, failure)
            _copy_others(model, output)
            read = {"name": calibration.name, "sha256": calibration.sha256, "texts": len(texts)}
            return {
                "model": model.name,
                "model_sha256": model.sha256,
                "format": format_,
                "recipe": text,
                "calibration": read if recipe.calibrated else None,
            }

        started_s = time.monotonic()
        try:
            made = make_once(folder, fill)
        except OSError as error:
            raise SetupError(
                Code.CACHE_UNWRITABLE,
                f"the quantized model cannot be written under {folder.parent}",
                why=str(error),
                fix="free space or give write access there, or set PACELINE_CACHE",
            ) from error
        return Artefact(
            folder=str(folder),
            format=format_,
            sha256=sha256,
            size_bytes=size_bytes(folder),
            recipe=text,
            prepared_s=time.monotonic() - started_s if made else None,
        )


def _text(recipe: Recipe, environment: Environment) -> str:
    """The recipe and the versions that decide what comes out, in one line."""
    versions = [line for line in environment.lock if line.partition("==")[0] in _MAKERS]
    limits = [f"ignore={'|'.join(IGNORED)}", f"max_tokens={_MAX_TOKENS}", f"seed={_SEED}"]
    return " ".join(["llmcompressor", recipe.algorithm, recipe.scheme, *limits, "#", *versions])


def _job(model: Model, recipe: Recipe, texts: tuple[str, ...], output: Path) -> dict[str, object]:
    """What `runtimes/quantizer/job.py` reads."""
    return {
        "model": model.folder,
        "out": str(output),
        "algorithm": recipe.algorithm,
        "scheme": recipe.scheme,
        "ignore": IGNORED,
        "texts": texts,
        "max_tokens": _MAX_TOKENS,
        "seed": _SEED,
        "threads": len(os.sched_getaffinity(0)),
    }


def _copy_others(model: Model, output: Path) -> None:
    """Tokenizer, template and generation defaults stay the original's."""
    for file in model.files:
        if not file.path.endswith(_NOT_COPIED) and file.path not in ("config.json", RECEIPT):
            shutil.copyfile(Path(model.folder) / file.path, output / file.path)


def _refused(model: Model, format_: str, why: str) -> CandidateError:
    return CandidateError(
        Code.UNSUPPORTED,
        f"{model.name!r} cannot be quantized to {format_}",
        why=why,
        fix="choose another format: paceline models quantize --help",
    )
