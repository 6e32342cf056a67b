"""A Diffusers pipeline in a folder: `model_index.json`, and one folder per component.

Layout: `diffusers.DiffusionPipeline.save_pretrained` (diffusers 0.42). A component is a pair of
library and class; `[null, null]` is one that this pipeline goes without. No weight is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.json_files import JsonObject, read_object
from paceline.adapters.hub.local.lookup import PIPELINE_INDEX
from paceline.adapters.hub.local.weights import WEIGHTS, Weights, read_weights
from paceline.errors import Code, SpecError

DENOISERS: Final = ("transformer", "unet")
_DECODER: Final = "vae"
SCHEDULER: Final = "scheduler"
FAMILY_KEY: Final = "paceline_family"
_DIFFUSERS_WEIGHTS: Final = "diffusion_pytorch_model.safetensors"
VARIANT: Final = "fp16"
"""Weights by this name are read where those by the plain one are not there."""
_LIBRARIES: Final = ("diffusers", "transformers")
_PAIR: Final = 2
_CONFIGS: Final = ("config.json", "scheduler_config.json", "preprocessor_config.json")
_VOCABULARIES: Final = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A complete pipeline: `components` in the order of the index, weights of those with any."""

    folder: Path
    class_name: str
    components: tuple[str, ...]
    weights: Mapping[str, Weights]
    stated_family: str | None

    @property
    def denoiser(self) -> Weights:
        """The part that runs once per step."""
        return next(self.weights[name] for name in DENOISERS if name in self.weights)

    @property
    def parameters(self) -> int:
        """Of the denoiser, the text encoders and the decoder together."""
        return sum(tensor.elements for part in self.weights.values() for tensor in part.tensors)

    def config(self, component: str) -> JsonObject:
        """The config of one component, empty where it has none. Raises as `read_object`."""
        folder = self.folder / component
        found = next((folder / name for name in _CONFIGS if (folder / name).exists()), None)
        return {} if found is None else read_object(found)


def read_pipeline(folder: Path, *, allow_remote_code: bool, weights: bool = True) -> Pipeline:
    """The pipeline in `folder`, every component that its index names in place; without `weights`
    their files may be elsewhere.

    Raises SpecError: a broken index, a component missing, without config or weights, or with code
    of its own.
    """
    index = read_object(folder / PIPELINE_INDEX)
    class_name = index.get("_class_name")
    if not isinstance(class_name, str):
        raise _no_pipeline(folder, f"_class_name is {class_name!r}, not the name of a pipeline")
    named = _components(folder, index, allow_remote_code=allow_remote_code)
    absent = [name for name in named if not (folder / name).is_dir()]
    if absent:
        raise _absent(folder, absent, named)
    if not any(name in named for name in DENOISERS):
        raise _no_pipeline(folder, f"none of its components is a {' or a '.join(DENOISERS)}")
    family = index.get(FAMILY_KEY)
    pipeline = Pipeline(
        folder=folder,
        class_name=class_name,
        components=tuple(named),
        weights={name: read_weights(folder / name, name=_weights_name(name), variant=VARIANT)
                 for name in named if weights and _has_weights(name)},
        stated_family=None if family is None else str(family),
    )  # fmt: skip
    for name in named:
        _check_component(pipeline, name)
    return pipeline


def _components(folder: Path, index: JsonObject, *, allow_remote_code: bool) -> Mapping[str, str]:
    """Component → class, without those that the pipeline goes without."""
    named: dict[str, str] = {}
    for name, value in index.items():
        if not (isinstance(value, list) and len(value) == _PAIR):
            continue
        library, class_name = value
        if library is None and class_name is None:
            continue
        if not isinstance(library, str) or not isinstance(class_name, str):
            raise _no_pipeline(folder, f"{name!r} is {value!r}, not a library and a class")
        if Path(name).name != name:
            raise _no_pipeline(folder, f"component {name!r} is not the name of a folder")
        if library not in _LIBRARIES and not allow_remote_code:
            raise SpecError(
                Code.BAD_MODEL,
                f"the model in {str(folder)!r} wants to run Python code of its own",
                why=f"component {name!r} is from {library!r}; known are {', '.join(_LIBRARIES)}",
                fix="no engine here runs such code: name a pipeline of known libraries;"
                " `paceline models inspect DIR --allow-remote-code` looks at it as it is",
            )
        named[name] = class_name
    return named


def _has_weights(component: str) -> bool:
    return component in (*DENOISERS, _DECODER, "image_encoder") or component.startswith(
        "text_encoder"
    )


def _weights_name(component: str) -> str:
    """Diffusers and Transformers call the same thing by different names."""
    return _DIFFUSERS_WEIGHTS if component in (*DENOISERS, _DECODER) else WEIGHTS


def _check_component(pipeline: Pipeline, name: str) -> None:
    folder = pipeline.folder / name
    if name.startswith("tokenizer"):
        if not any((folder / file).exists() for file in _VOCABULARIES):
            raise _incomplete(folder, name, f"none of {', '.join(_VOCABULARIES)} is there")
    elif not any((folder / file).exists() for file in _CONFIGS):
        raise _incomplete(folder, name, f"none of {', '.join(_CONFIGS)} is there")
    pipeline.config(name)  # parses


def _absent(folder: Path, absent: list[str], named: Mapping[str, str]) -> SpecError:
    shown = ", ".join(f"{name!r} ({named[name]})" for name in absent)
    return SpecError(
        Code.BAD_MODEL,
        f"the image model in {str(folder)!r} lacks {shown}",
        why=f"{PIPELINE_INDEX} names {len(named)} components,"
        f" {len(named) - len(absent)} of them are there",
        fix=f"fetch the folder {absent[0]!r} too",
    )


def _incomplete(folder: Path, name: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"component {name!r} of the image model in {str(folder.parent)!r} is incomplete",
        why=why,
        fix=f"fetch the folder {name!r} again",
    )


def _no_pipeline(folder: Path, why: str) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{str(folder / PIPELINE_INDEX)!r} describes no image model",
        why=why,
        fix="name a text-to-image pipeline as `save_pretrained` of Diffusers writes it",
    )
