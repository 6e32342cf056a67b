"""Fetches a source distribution and builds its programs: pip, tar, CMake, in this order.

Each step leaves something whole or nothing: an interrupted fetch is begun anew, an interrupted
compilation goes on where it was.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import SourceBuild

COMPILERS: Final = ("c++", "g++", "clang++")
MEMORY_PER_JOB_GIB: Final = 1.5
"""An allowance: a large C++ file with templates takes a compiler about 1 GiB."""
SAY_EVERY_PERCENT: Final = 5
_BYTES_PER_GIB: Final = 2**30
_STEP: Final = re.compile(r"^\[\s*(\d+)(?:/(\d+)|%)\]")  # of Ninja and of Make
_KEPT_LINES: Final = 200
_TAIL_LINES: Final = 12
_NO_SPACE: Final = "No space left on device"


class Build:
    """One build under way in `folder`."""

    def __init__(self, name: str, source: SourceBuild, folder: Path, *, say: Say) -> None:
        self._name = name
        self._source = source
        self._folder = folder
        self._say = say

    def check_tools(self) -> None:
        """Raises SetupError when CMake or a compiler is missing."""
        compiler = os.environ.get("CXX", "").split(" ")[0]
        wanted = {
            "CMake": (("cmake",), "cmake"),
            "a C++ compiler": ((compiler,) if compiler else COMPILERS, "g++"),
        }
        for what, (programs, package) in wanted.items():
            if not any(shutil.which(program) for program in programs):
                raise SetupError(
                    Code.MISSING_TOOL,
                    f"{self._name!r} is built from source, and {what} is not on this machine",
                    why=f"PATH has none of: {', '.join(programs)}",
                    fix=f"apt-get install cmake g++ (or your system's {package} package), then: "
                    f"paceline engines install {self._name}",
                )

    def fetch(self, python: str) -> Path:
        """The unpacked source; downloaded with the pip of `python` when it is not there."""
        unpacked = self._folder / "source"
        if unpacked.is_dir():
            return unpacked
        self._say(f"fetching the source of {self._source.sdist}")
        scratch = self._folder / "fetched"
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            self._download(python, scratch)
            (fetched,) = scratch.glob("*.tar.gz")
            with tarfile.open(fetched) as archive:
                archive.extractall(scratch / "unpacked", filter="data")
            (folder,) = (scratch / "unpacked").iterdir()
            folder.rename(unpacked)
            shutil.rmtree(scratch)
        except (OSError, ValueError, tarfile.TarError) as error:
            raise self._failed("its source cannot be unpacked", str(error)) from error
        return unpacked

    def compile(self, unpacked: Path) -> list[Path]:
        """Build the targets (minutes) and put them into `bin`; goes on with what is there."""
        made = self._folder / "build"
        resumed = made.exists()
        try:
            self._compile(unpacked, made)
        except SetupError as error:
            if not resumed or error.code is not Code.INSTALL_FAILED:
                raise
            self._say("what an earlier build left cannot be used; building anew")
            shutil.rmtree(made)
            self._compile(unpacked, made)
        return self._collect(made)

    def keep(self, name: str, text: str) -> None:
        """Write a file of the environment, whole."""
        unfinished = self._folder / f"{name}.new"
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(self._folder / name)
        except OSError as error:
            raise self._failed("its receipt cannot be written", str(error)) from error

    def _download(self, python: str, scratch: Path) -> None:
        wanted = scratch / "wanted.txt"
        wanted.write_text(f"{self._source.sdist} --hash=sha256:{self._source.sha256}\n")
        distribution = self._source.sdist.partition("==")[0]
        # pip looks at the metadata of a source distribution with its own build tool, for which it
        # makes a temporary environment; nothing is built.
        command = [
            *(python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"),
            *("--no-binary", distribution, "--require-hashes", "--requirement", str(wanted)),
            *("--dest", str(scratch)),
        ]
        index = os.environ.get("UV_DEFAULT_INDEX")
        mirror = {"PIP_INDEX_URL": index} if index and "PIP_INDEX_URL" not in os.environ else {}
        code, output = _run(command, mirror, self._say)
        if code != 0:
            raise self._failed("its source cannot be fetched", output)

    def _compile(self, unpacked: Path, made: Path) -> None:
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        jobs = _jobs()
        self._say(f"building {', '.join(self._source.targets)} with {jobs} jobs; minutes")
        configure = [
            *("cmake", "-S", str(unpacked / self._source.folder), "-B", str(made), *generator),
            *(f"-D{option}" for option in self._source.options),
        ]
        compile_ = ["cmake", "--build", str(made), "--parallel", str(jobs)]
        for command, say in (
            (configure, lambda _line: None),
            ([*compile_, "--target", *self._source.targets], _steps(self._say)),
        ):
            code, output = _run(command, {}, say)
            if code != 0:
                raise self._failed("its programs cannot be built", output)

    def _collect(self, made: Path) -> list[Path]:
        target = self._folder / "bin"
        try:
            target.mkdir(exist_ok=True)
            programs = []
            for name in self._source.targets:
                found = next((p for p in made.rglob(name) if p.is_file()), None)
                if found is None:
                    raise self._failed("its programs cannot be built", f"no {name} in {made}")
                programs.append(Path(shutil.copy2(found, target / name)))
            shutil.rmtree(made)
        except OSError as error:
            raise self._failed("its programs cannot be kept", str(error)) from error
        return programs

    def _failed(self, what: str, output: str) -> SetupError:
        full = _NO_SPACE in output
        return SetupError(
            Code.DISK_FULL if full else Code.INSTALL_FAILED,
            f"{self._name!r} cannot be installed: {what}",
            why="\n".join(output.strip().splitlines()[-_TAIL_LINES:]) or "no words were said",
            fix=f"free space under {self._folder}, or set PACELINE_CACHE to a larger disk"
            if full
            else f"see the lines above, then: paceline engines install {self._name}",
        )


def _run(command: Sequence[str], variables: Mapping[str, str], say: Say) -> tuple[int, str]:
    """Run a tool, pass its words on; exit code and the last lines."""
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(  # noqa: S603 - built here from our own specs
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables, "NO_COLOR": "1", "LC_ALL": "C"},
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            kept.append(line)
            if line.strip():
                say(line.strip())
    return process.returncode, "".join(kept)


def _steps(say: Say) -> Callable[[str], None]:
    """Passes on one line of a build for every few per cent of it."""
    said = -SAY_EVERY_PERCENT

    def hear(line: str) -> None:
        nonlocal said
        match = _STEP.match(line)
        if match is None:
            return
        done, of = int(match[1]), int(match[2] or 100)
        percent = 100 * done // max(of, 1)
        if percent >= said + SAY_EVERY_PERCENT or (percent == 100 and said < percent):  # noqa: PLR2004 - per cent
            said = percent
            say(f"built {percent} %")

    return hear


def _jobs() -> int:
    """As many compilers at once as there are cores and memory for; CMake's own variable wins."""
    asked = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _BYTES_PER_GIB
    return max(1, min(cores, int(memory_gib / MEMORY_PER_JOB_GIB)))
