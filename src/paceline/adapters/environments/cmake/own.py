"""Programs of the user's own, which spare the build.

`PACELINE_ENGINE_<NAME>` decides: a folder of programs, `path` (wherever they lie on PATH) or
`built` (never the user's own). Unset, what is on PATH is taken when it has every program needed.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError
from paceline.records.launch import EnvironmentSpec, SourceBuild

BUILT: Final = "built"
ON_PATH: Final = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrograms:
    """A folder that has them all."""

    folder: Path


def own_programs(spec: EnvironmentSpec, source: SourceBuild) -> OwnPrograms | None:
    """The user's own programs; `None` when they are to be built.

    Raises SetupError when the user named a place that does not have them.
    """
    variable = f"PACELINE_ENGINE_{spec.name.upper()}"
    value = os.environ.get(variable, "")
    if value == BUILT:
        return None
    program = shutil.which(spec.program or source.programs[0])
    on_path = Path(program).parent if program else None
    folder = Path(value).expanduser().absolute() if value not in ("", ON_PATH) else on_path
    missing = [
        name for name in source.programs if folder is None or not os.access(folder / name, os.X_OK)
    ]
    if folder is not None and not missing:
        return OwnPrograms(folder=folder)
    if not value:
        return None
    raise SetupError(
        Code.ENGINE_NOT_INSTALLED,
        f"your own installation of {spec.name!r} cannot be used",
        why=f"{variable} is {value!r}, and {folder or 'PATH'} has no {', '.join(missing)}",
        fix=f"mend it, or unset {variable} and run: paceline engines install {spec.name}",
    )
