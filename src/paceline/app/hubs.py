"""From what the user typed to a checked model, wherever it lies.

A folder or an installed model is found as it is. Anything else is asked of the sources (a hub, an
object store), which fetch it at one revision; then the same checks are made on the copy.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paceline.app.registry import adapter, each_usable
from paceline.errors import Code, SpecError
from paceline.plan.images.read import read_image_shape
from paceline.plan.shapes.read import read_shape
from paceline.records.model import Model

if TYPE_CHECKING:
    from paceline.ports.engine import Say
    from paceline.ports.hub import Hub, HubFactory, Source, SourceFactory
    from paceline.records.checkpoint import Fetched

PIPELINE_INDEX: Final = "model_index.json"
_DTYPES: Final = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F8_E4M3": "fp8"}


def _silent(_line: str) -> None:
    """Progress that nobody wants to hear."""


class AnyHub:
    """A `Hub` over local folders and every source. Imports a source when a name is in its form."""

    def __init__(
        self, cache: Path, *, say: "Say" = _silent, allow_remote_code: bool = False
    ) -> None:
        self._cache = cache
        self._say = say
        self._allow_remote_code = allow_remote_code

    def find(self, name: str) -> Model:
        """The checked model; fetched first when it is not here (network, minutes).

        Raises what `Hub.find` and `Source.fetch` raise.
        """
        source = self._source_of(name)
        if source is None:
            return self._local.find(name)
        fetched = source.fetch(name, weights=True)
        model = self._local.find(fetched.folder)
        _check_copy(model, fetched)
        return replace(model, name=fetched.name, source=fetched.source)

    def preview(self, name: str) -> Model:
        """The model as far as planning needs it, without fetching the weights of a remote one.

        Its `sha256` is what the fetched one will have. Raises like `find`.
        """
        source = self._source_of(name)
        if source is None:
            return self._local.find(name)
        fetched = source.fetch(name, weights=False)
        if all((Path(fetched.folder) / file.path).exists() for file in fetched.files):
            return replace(
                self._local.find(fetched.folder), name=fetched.name, source=fetched.source
            )
        if (Path(fetched.folder) / PIPELINE_INDEX).exists():
            return self._pictured(fetched)
        return _outline(fetched)

    def pictures_elsewhere(self, name: str) -> Model | None:
        """The image model that would have to be fetched, from its small files; `None` for one that
        is here, and for a language model. Raises like `find`."""
        source = self._source_of(name)
        if source is None:
            return None
        fetched = source.fetch(name, weights=False)
        known = (Path(fetched.folder) / PIPELINE_INDEX).exists()
        return self._pictured(fetched) if known else None

    def _pictured(self, fetched: "Fetched") -> Model:
        """An image model from the configs of its components; the weights are where they were."""
        # brings in the records of every stage, and few commands get here
        from paceline.ports.hub import OutlinesPipelines  # noqa: PLC0415 - see above

        local = self._local
        if not isinstance(local, OutlinesPipelines):
            return self.find(fetched.source)
        model = local.outline(fetched.folder)
        shape = read_image_shape(
            {name: _config(fetched, name) for name in _components(fetched)},
        )
        return replace(
            model,
            name=fetched.name,
            parameters=round(shape.parameters),
            files=fetched.files,
            source=fetched.source,
        )

    @cached_property
    def _local(self) -> "Hub":
        make: HubFactory = adapter("hubs", "local")
        return make(self._cache, say=self._say, allow_remote_code=self._allow_remote_code)

    def _source_of(self, name: str) -> "Source | None":
        """The source that is to be asked, `None` for what is here."""
        if Path(name).expanduser().exists():
            return None
        if name in {point.name for point in entry_points(group="paceline.models")}:
            return None
        return next((source for source in self.sources() if source.covers(name)), None)

    def sources(self) -> "Iterator[Source]":
        """Every source of an installed package that can be imported, by name."""
        make: SourceFactory
        for _name, make in each_usable("sources"):
            yield make(self._cache, say=self._say, allow_remote_code=self._allow_remote_code)


def _components(fetched: "Fetched") -> "Iterator[str]":
    """Those that have weights, in the order of the files."""
    weights = (file.path for file in fetched.files if file.path.endswith(".safetensors"))
    yield from dict.fromkeys(path.partition("/")[0] for path in weights)


def _config(fetched: "Fetched", component: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (Path(fetched.folder) / component / "config.json").read_bytes()
    )
    return found


def _check_copy(model: Model, fetched: "Fetched") -> None:
    """What arrived is what the source described."""
    stated = {file.path: file.sha256 for file in fetched.files}
    for file in model.files:
        if stated.get(file.path, file.sha256) != file.sha256:
            raise SpecError(
                Code.BAD_MODEL,
                f"{file.path!r} of {fetched.source!r} is damaged",
                why=f"its SHA-256 is {file.sha256[:12]}…; the source states"
                f" {stated[file.path][:12]}…",
                fix=f"remove {str(Path(fetched.folder) / file.path)!r} and fetch it again",
            )


def _outline(fetched: "Fetched") -> Model:
    """A model from its config.json and what the source counted."""
    folder = Path(fetched.folder)
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    shape = read_shape(config)
    heads = next((group for group in shape.mixers if group.kv_elements), None)
    kv_heads = heads.kv_heads if heads else 0
    head_size = heads.kv_elements // (2 * heads.kv_heads) if heads else 0
    names = config.get("architectures")
    stored = sum(count for _, count in fetched.stored)
    return Model(
        name=fetched.name,
        folder=fetched.folder,
        architecture=names[0] if names else str(config.get("model_type")),
        format=fetched.format or _stored_format(fetched, config),
        parameters=shape.parameters if fetched.format or not stored else stored,
        layers=shape.layers,
        hidden_size=shape.hidden_size,
        kv_heads=kv_heads,
        head_size=head_size,
        max_context_tokens=shape.max_context_tokens,
        files=fetched.files,
        has_chat_template=_has_template(folder),
        source=fetched.source,
    )


def _stored_format(fetched: "Fetched", config: dict[str, Any]) -> str:
    """The dtype of most elements; the config's own word where the source counted nothing."""
    if fetched.stored:
        dtype = max(fetched.stored, key=lambda pair: pair[1])[0]
        return _DTYPES.get(dtype, dtype.lower())
    stated = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
    return {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}.get(stated, stated)


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    tokenizer = folder / "tokenizer_config.json"
    return tokenizer.exists() and b'"chat_template"' in tokenizer.read_bytes()
