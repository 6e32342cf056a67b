"""`LocalHub`: checks a model folder from its config and headers, cheapest check first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.architectures import architecture_of, sizes_of
from paceline.adapters.hub.local.hashes import hash_files
from paceline.adapters.hub.local.image_family import family_of
from paceline.adapters.hub.local.json_files import JsonObject, read_object
from paceline.adapters.hub.local.lookup import PIPELINE_INDEX, Place, locate
from paceline.adapters.hub.local.pipeline import Pipeline, read_pipeline
from paceline.adapters.hub.local.quantization import quantization_of
from paceline.adapters.hub.local.synth.make import make_model, plan_model
from paceline.adapters.hub.local.synth.marker import read_marker
from paceline.adapters.hub.local.tokenizer_files import (
    check_text_files,
    has_chat_template,
    remote_code,
)
from paceline.adapters.hub.local.weights import (
    PICKLES,
    Weights,
    check_complete,
    count_parameters,
    format_of,
    read_weights,
)
from paceline.errors import Code, SpecError
from paceline.ports.engine import Say
from paceline.records.model import FileHash, Model, SynthPlan, outlined

NOT_LOADED: Final = (".safetensors", *PICKLES, ".gguf", ".onnx", ".h5", ".msgpack", ".ot")
"""Weights in files that are not part of the checkpoint: no engine reads them; not hashed."""


def _silent(_line: str) -> None:
    """Progress that nobody wants to hear."""


class LocalHub:
    """Models in local folders and installed packages; also makes random-weight ones."""

    def __init__(self, cache: Path, *, say: Say = _silent, allow_remote_code: bool = False) -> None:
        """`cache` keeps hashes; `say` gets progress on big files.

        Without `allow_remote_code`, a model that brings Python code of its own is refused.
        """
        self._cache = cache
        self._say = say
        self._allow_remote_code = allow_remote_code

    def find(self, name: str) -> Model:
        """The checked model in folder `name`, or the installed one of that name.

        Reads headers and hashes every file the first time (about a second per GB); no network.
        Raises SpecError for everything that is wrong with the model, SetupError for a broken
        package or an unwritable cache.
        """
        place = locate(name)
        if (place.folder / PIPELINE_INDEX).exists():
            return self._pipeline(place)
        return self._checkpoint(place)

    def _checkpoint(self, place: Place) -> Model:
        folder = place.folder
        config = read_object(folder / "config.json")
        self._check_code(folder, config)
        architecture, sizes = architecture_of(config), sizes_of(config)
        quantization = quantization_of(config)
        weights = read_weights(folder)
        check_complete(weights, config, quantized=quantization is not None)
        check_text_files(folder)
        marker = read_marker(folder)
        return Model(
            name=place.name,
            folder=str(folder),
            architecture=architecture,
            format=format_of(weights, quantization),
            parameters=count_parameters(weights, config, quantization),
            layers=sizes.layers,
            hidden_size=sizes.hidden_size,
            kv_heads=sizes.kv_heads,
            head_size=sizes.head_size,
            max_context_tokens=sizes.max_context_tokens,
            files=self._hashed(folder, _loaded_files(folder, weights)),
            suite_path=None if place.suite is None else str(place.suite),
            trained=marker is None or marker.trained,
            has_chat_template=has_chat_template(folder),
        )

    def _pipeline(self, place: Place) -> Model:
        """A Diffusers pipeline: an image model."""
        folder = place.folder
        pipeline = read_pipeline(folder, allow_remote_code=self._allow_remote_code)
        family = family_of(pipeline)
        marker = read_marker(folder)
        return Model(
            name=place.name,
            folder=str(folder),
            architecture=pipeline.class_name,
            format=format_of(pipeline.denoiser, None),
            parameters=pipeline.parameters,
            layers=0,
            hidden_size=0,
            kv_heads=0,
            head_size=0,
            max_context_tokens=None,
            files=self._hashed(folder, _pipeline_files(pipeline)),
            suite_path=None if place.suite is None else str(place.suite),
            trained=marker is None or marker.trained,
            has_chat_template=False,
            image_family=family.name,
        )

    def outline(self, folder: str) -> Model:
        """The image model in `folder`, whose weights may be elsewhere: no files, no parameters.

        Raises SpecError for everything that is wrong with what is there.
        """
        pipeline = read_pipeline(
            Path(folder), allow_remote_code=self._allow_remote_code, weights=False
        )
        return outlined(
            Path(folder).name,
            folder=folder,
            pipeline=pipeline.class_name,
            image_family=family_of(pipeline).name,
        )

    def _hashed(self, folder: Path, paths: list[Path]) -> tuple[FileHash, ...]:
        return hash_files(paths, folder=folder, cache=self._cache, say=self._say)

    def plan_synth(self, shape: str, *, dtype: str) -> SynthPlan:
        """What `synthesize` would write, without writing it."""
        return plan_model(shape, dtype=dtype)

    def synthesize(self, shape: str, out: Path, *, dtype: str, seed: int) -> Model:
        """Write a random-weight model of `shape` to the new folder `out`, and check it."""
        make_model(shape, out, dtype=dtype, seed=seed, say=self._say)
        self._say(f"checking {str(out)!r}")
        return self.find(str(out.absolute()))

    def _check_code(self, folder: Path, config: JsonObject) -> None:
        where = remote_code(folder, config)
        if where is not None and not self._allow_remote_code:
            raise SpecError(
                Code.BAD_MODEL,
                f"the model in {str(folder)!r} wants to run Python code of its own",
                why=f"{where} has 'auto_map', which makes engines import files of the folder",
                fix="no engine here runs such code. Where it needs none, take 'auto_map' out of"
                f" {where} in a copy; `paceline models inspect DIR --allow-remote-code` looks at it"
                " as it is",
            )


def _loaded_files(folder: Path, weights: Weights) -> list[Path]:
    """The weights, and every other file at the top of the folder that an engine may read."""
    return sorted((*weights.files, *_small_files(folder)))


def _pipeline_files(pipeline: Pipeline) -> list[Path]:
    """The weights and small files of every component, and the small files beside them."""
    folders = (pipeline.folder, *(pipeline.folder / name for name in pipeline.components))
    small = (file for folder in folders for file in _small_files(folder))
    weights = (file for part in pipeline.weights.values() for file in part.files)
    return sorted((*weights, *small))


def _small_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith(".") and path.suffix not in NOT_LOADED:
            yield path
