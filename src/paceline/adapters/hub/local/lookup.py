"""From what the user typed to a folder: an installed model by its name, else a path.

A bare word that an installed package offers means that package; `./word` is always the folder.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol

from paceline.errors import Code, SetupError, SpecError
from paceline.records.image_families import IMAGE_FAMILIES

MODELS_GROUP: Final = "paceline.models"
"""Entry points of packages that ship a model; each is a callable that returns `InstalledModel`."""

PIPELINE_INDEX: Final = "model_index.json"
"""What makes a folder a Diffusers pipeline: its class and its components."""

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


class InstalledModel(Protocol):
    """What an entry point of `paceline.models` returns."""

    @property
    def name(self) -> str: ...

    @property
    def model_path(self) -> Path: ...

    @property
    def suite_path(self) -> Path | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model lies."""

    name: str
    folder: Path
    suite: Path | None = None


def locate(name: str) -> Place:
    """The folder called `name`, which exists and is not empty.

    Raises SpecError: no such model, not a folder, empty, unreadable; SetupError: the package that
    offers it does not import.
    """
    offered = {point.name: point for point in entry_points(group=MODELS_GROUP)}
    if name in offered:
        place = _installed(offered[name])
    else:
        folder = Path(name).expanduser()
        if not name or not folder.exists():
            raise _nowhere(name, sorted(offered))
        place = Place(name=folder.resolve().name, folder=folder.resolve())
    _check_folder(place.folder)
    return place


def _installed(point: EntryPoint) -> Place:
    try:
        model: InstalledModel = point.load()()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            Code.PLUGIN_BROKEN,
            f"the package of model {point.name!r} cannot be imported",
            why=f"{point.value}: {error}",
            fix="reinstall the package that provides it",
        ) from error
    suite = None if model.suite_path is None else Path(model.suite_path)
    return Place(name=model.name, folder=Path(model.model_path).resolve(), suite=suite)


def _nowhere(name: str, offered: list[str]) -> SpecError:
    installed = f"installed models: {', '.join(offered) or 'none'}"
    near = get_close_matches(name, offered, n=1)
    if name == "reference":
        fix = "install it: pip install 'paceline[reference]'"
    elif (family := IMAGE_FAMILIES.get(name)) is not None and family.repository is not None:
        fix = f"name its weights: {family.repository}, or a folder"
    elif near:
        fix = f"did you mean {near[0]!r}?"
    elif _HUB_ID.fullmatch(name):
        fix = f"fetch it first (hf download {name} --local-dir DIR), then name DIR"
    else:
        fix = "name a folder with config.json and *.safetensors in it"
    hub = ", and no hub was asked: models are local folders or installed packages"
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no model is called {name!r}",
        why=f"no such folder{hub if _HUB_ID.fullmatch(name) else ''}; {installed}",
        fix=fix,
    )


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        fix = f"name its folder, {str(folder.parent)!r}"
        raise _no_model(folder, "it is a file; a model is a folder in Hugging Face layout", fix)
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        why = f"{error.strerror} (errno {error.errno})"
        raise _no_model(folder, why, f"make it readable: ls -ld {str(folder)!r}") from error
    if names & {"config.json", PIPELINE_INDEX}:
        return
    if not names:
        raise _no_model(folder, "the folder is empty", "fetch the model into it, or name another")
    if "snapshots" in names:  # the cache of huggingface_hub
        fix = f"name one of the folders in {str(folder / 'snapshots')!r}"
        raise _no_model(folder, "it is a download cache of several revisions", fix)
    shown = ", ".join(repr(name) for name in sorted(names)[:3])
    why = f"no config.json or {PIPELINE_INDEX} among its {len(names)} entries ({shown}…)"
    raise _no_model(folder, why, "name the folder that holds config.json and the weights")


def _no_model(folder: Path, why: str, fix: str) -> SpecError:
    return SpecError(Code.BAD_MODEL, f"{str(folder)!r} is no model", why=why, fix=fix)
