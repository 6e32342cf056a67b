"""The gateway's modules as a compiler made them of the same sources, where that was done.

`hatch_build.py` compiles them with mypyc, when the package is built or by `make compile`, into
`compiled/<digest of the sources>/` beside this file. They are loaded only into the process that
serves, and only while the digest is that of the sources that lie there: code that was edited since
runs interpreted, never stale. Everything else imports the sources.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE / "compiled"
INTERPRETED: Final = "PACELINE_INTERPRETED"
"""Set to anything, this variable leaves the compiled modules alone."""
NOT_SERVING: Final = frozenset(("__init__", "__main__", "control", "spool_reader"))
"""The command line, and what supervisors import."""
_SUFFIX: Final = EXTENSION_SUFFIXES[0]
"""It names the interpreter that they are for."""


def sources() -> tuple[Path, ...]:
    """The modules that are compiled."""
    gateway = (HERE / "gateway").glob("*.py")
    return (*sorted(one for one in gateway if one.stem not in NOT_SERVING), HERE / "routing.py")


def digest(files: Sequence[Path]) -> str:
    """Of their names and contents."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def use_compiled() -> bool:
    """Import the gateway's modules compiled from now on; `False` where they are not to be had."""
    if os.environ.get(INTERPRETED):
        return False
    folder = FOLDER / digest(sources())
    modules = {
        ".".join(file.relative_to(folder).parts).removesuffix(_SUFFIX): file
        for file in folder.rglob("*" + _SUFFIX)
    }
    if not modules:
        return False
    sys.meta_path.insert(0, _Finder(modules))
    return True


class _Finder(MetaPathFinder):
    """Finds modules by a table of files."""

    def __init__(self, modules: Mapping[str, Path]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._modules.get(fullname)
        return None if file is None else spec_from_file_location(fullname, file)
