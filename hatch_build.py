"""Compiles the gateway's data plane, with mypyc: `paceline.deploy.compiled` says what for.

A wheel has it where it could be compiled; without a compiler, or with `PACELINE_COMPILE=0`, the
package is the sources alone, and the gateway takes twice the time. An editable install is not
compiled: there, run this file (`make compile`), which needs `mypy` and `setuptools`.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.errors import BaseError, CCompilerError

SOURCES = Path(__file__).parent / "src"
sys.path.insert(0, str(SOURCES))

from paceline.deploy.compiled import FOLDER, digest, sources  # noqa: E402

MYPY = (
    *("--config-file=", "--explicit-package-bases"),
    *("--ignore-missing-imports", "--follow-imports=silent"),
)
"""Not the project's settings: what it imports is not there while a wheel is built."""


class CompileHook(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if version == "editable" or os.environ.get("PACELINE_COMPILE") == "0":
            return
        try:
            folder = compile_gateway()
        except (BaseError, CCompilerError, OSError, SystemExit) as error:  # mypyc exits
            self.app.display_warning(f"the gateway is left interpreted: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for file in folder.rglob("*.so"):
            build_data["force_include"][str(file)] = str(file.relative_to(SOURCES))


def compile_gateway() -> Path:
    """Compile what is not compiled yet; the folder with the modules."""
    files = sources()
    folder = FOLDER / digest(files)
    if folder.exists():
        return folder
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(SOURCES)  # mypy names modules by where they are
        os.environ["MYPY_CACHE_DIR"] = scratch
        try:
            extensions = mypycify(
                [*MYPY, *(str(file.relative_to(SOURCES)) for file in files)],
                opt_level="2",
                debug_level="0",
                target_dir=scratch,
                group_name="paceline_gateway",
            )
            build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
            build.build_lib, build.build_temp = f"{scratch}/lib", f"{scratch}/temp"
            build.ensure_finalized()
            build.run()
        finally:
            os.chdir(before)
        shutil.rmtree(FOLDER, ignore_errors=True)  # what other sources gave
        shutil.copytree(f"{scratch}/lib", folder.with_suffix(".part"))
        folder.with_suffix(".part").rename(folder)  # whole or not at all
    return folder


if __name__ == "__main__":
    print(compile_gateway())  # noqa: T201 - the one thing that it has to say
