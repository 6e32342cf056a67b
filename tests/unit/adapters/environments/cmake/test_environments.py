"""Built once, whole or not at all; pip and CMake here are scripts that do what the test says."""

import hashlib
import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.environments.cmake import CmakeEnvironments
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import (
    Environment,
    EnvironmentSpec,
    EnvironmentState,
    EnvironmentStatus,
    SourceBuild,
)

PIP = """#!/bin/sh
echo "pip $@" >> {calls}
for last; do :; done
{pip}
"""
CMAKE = """#!/bin/sh
echo "cmake $@" >> {calls}
{cmake}
"""
BUILDS = """
if [ "$1" = -S ]; then mkdir -p "$4"; exit 0; fi
mkdir -p "$2/bin"
for program in server quantize bench; do echo program > "$2/bin/$program"; done
chmod +x "$2/bin/server" "$2/bin/quantize"
echo "[1/40] Building"; echo "[2/40] Building"; echo "[20/40] Building"; echo "[40/40] Linking"
"""


class Python:
    """The Python part: an interpreter that is the fake pip."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self.installed = False
        self.asked: list[EnvironmentSpec] = []

    def status(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        self.asked.append(spec)
        state = EnvironmentState.INSTALLED if self.installed else EnvironmentState.ABSENT
        environment = self._environment(spec) if self.installed else None
        return EnvironmentStatus(name=spec.name, state=state, detail="", environment=environment)

    def check(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        return self.status(spec)

    def install(self, spec: EnvironmentSpec, *, say: Say) -> Environment:
        say("installing the Python part")
        self.installed = True
        return self._environment(spec)

    def _environment(self, spec: EnvironmentSpec) -> Environment:
        return Environment(
            name=spec.name,
            python=str(self._python),
            bin_dir=str(self._python.parent),
            lock=("torch==1",),
            lock_sha256="",
        )


class Yard:
    """A cache, tools on PATH, and what they were called with."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.calls = folder / "calls"
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.calls.touch()
        self.said: list[str] = []
        self.archive = folder / "engine-1.tar.gz"
        self._monkeypatch = monkeypatch
        with tarfile.open(self.archive, "w:gz") as archive:
            text = b"project(engine)"
            member = tarfile.TarInfo("engine-1/vendor/CMakeLists.txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        self.pip(f'cp {self.archive} "$last"')
        self.cmake(BUILDS)
        self.tool("c++", "exit 0")
        monkeypatch.setenv("PATH", f"{self.tools}:/usr/bin:/bin")
        for name in ("PACELINE_ENGINE_TOY", "CXX", "CMAKE_BUILD_PARALLEL_LEVEL"):
            monkeypatch.delenv(name, raising=False)
        self.python = Python(self.tools / "python")
        self.spec = EnvironmentSpec(
            name="toy",
            requirements=("torch==1",),
            program="server",
            source=SourceBuild(
                sdist="engine==1",
                sha256=hashlib.sha256(self.archive.read_bytes()).hexdigest(),
                folder="vendor",
                options=("FAST=ON",),
                programs=("server", "quantize"),
                targets=("server", "quantize", "bench"),
            ),
        )

    def tool(self, name: str, script: str) -> Path:
        path = self.tools / name
        path.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def pip(self, script: str) -> None:
        self.tool("python", PIP.format(calls=self.calls, pip=script))

    def cmake(self, script: str) -> None:
        self.tool("cmake", CMAKE.format(calls=self.calls, cmake=script))

    def only(self, *tools: str) -> None:
        """PATH has these and nothing else."""
        self._monkeypatch.setenv("PATH", str(self.tools))
        for path in self.tools.iterdir():
            if path.name not in (*tools, "python"):
                path.unlink()

    @property
    def environments(self) -> CmakeEnvironments:
        return CmakeEnvironments(self.cache, python=self.python)

    def install(self) -> Environment:
        return self.environments.install(self.spec, say=self.said.append)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    return Yard(tmp_path, monkeypatch)


def test_fetches_builds_and_keeps_the_programs(yard: Yard) -> None:
    environment = yard.install()
    fetch, configure, build = yard.called()
    assert "--require-hashes" in fetch
    assert "-DFAST=ON" in configure
    assert "--target server quantize bench" in build
    bin_dir = Path(environment.bin_dir)
    assert sorted(path.name for path in bin_dir.iterdir()) == ["bench", "quantize", "server"]
    assert not (bin_dir.parent / "build").exists()
    assert environment.python == str(yard.tools / "python")
    assert environment.source_dir is not None
    assert (Path(environment.source_dir) / "CMakeLists.txt").is_file()
    assert environment.installed_s is not None
    assert any(line.startswith("engine==1 # source, sha256") for line in environment.lock)


def test_says_how_far_it_is_but_not_every_file(yard: Yard) -> None:
    yard.install()
    assert [line for line in yard.said if "%" in line] == ["built 2 %", "built 50 %", "built 100 %"]


def test_finds_it_the_second_time(yard: Yard) -> None:
    first = yard.install()
    calls = yard.called()
    second = yard.install()
    assert yard.called() == calls
    assert second.installed_s is None
    assert (second.bin_dir, second.lock_sha256) == (first.bin_dir, first.lock_sha256)
    assert yard.environments.status(yard.spec).state is EnvironmentState.INSTALLED


def test_the_python_part_has_a_name_of_its_own_and_no_source(yard: Yard) -> None:
    yard.install()
    yard.environments.status(yard.spec)
    assert {(spec.name, spec.source, spec.program) for spec in yard.python.asked} == {
        ("toy-tools", None, None)
    }


def test_a_spec_without_source_is_passed_on(yard: Yard) -> None:
    plain = replace(yard.spec, source=None)
    assert yard.environments.status(plain).state is EnvironmentState.ABSENT
    assert yard.environments.install(plain, say=yard.said.append).name == "toy"
    assert yard.called() == []


@pytest.mark.parametrize(("tool", "words"), [("cmake", "CMake"), ("c++", "compiler")])
def test_a_missing_tool_is_told_before_anything_is_fetched(
    yard: Yard, tool: str, words: str
) -> None:
    yard.only(*({"cmake", "c++"} - {tool}))
    with pytest.raises(SetupError, match=words) as error:
        yard.install()
    assert error.value.code is Code.MISSING_TOOL
    assert "apt-get install" in error.value.fix
    assert not yard.python.installed


def test_a_failed_build_tells_the_last_words_and_is_no_installation(yard: Yard) -> None:
    yard.cmake("echo 'error: no such header'; exit 1")
    with pytest.raises(SetupError, match="no such header") as error:
        yard.install()
    assert error.value.code is Code.INSTALL_FAILED
    status = yard.environments.status(yard.spec)
    assert status.state is EnvironmentState.ABSENT
    assert "interrupted" in status.detail


def test_an_interrupted_build_goes_on_and_what_is_spoilt_is_built_anew(yard: Yard) -> None:
    yard.cmake('mkdir -p "$4"; touch "$4/half"; exit 1')
    with pytest.raises(SetupError):
        yard.install()
    yard.cmake(f'if [ -e "$4/half" ]; then echo spoilt; exit 1; fi\n{BUILDS}')
    environment = yard.install()
    assert (Path(environment.bin_dir) / "server").is_file()
    assert any("building anew" in line for line in yard.said)
    assert sum(call.startswith("pip") for call in yard.called()) == 1


def test_an_interrupted_fetch_is_begun_anew(yard: Yard) -> None:
    yard.pip('touch "$last/half"; echo no route to host; exit 1')
    with pytest.raises(SetupError, match="no route to host"):
        yard.install()
    yard.pip(f'cp {yard.archive} "$last"')
    assert yard.install().source_dir is not None


def test_a_full_disk_is_told_apart(yard: Yard) -> None:
    yard.cmake("echo 'fatal: No space left on device'; exit 1")
    with pytest.raises(SetupError) as error:
        yard.install()
    assert error.value.code is Code.DISK_FULL


def test_a_changed_program_is_found_and_built_again(yard: Yard) -> None:
    program = Path(yard.install().bin_dir) / "server"
    program.write_text("something else")
    status = yard.environments.check(yard.spec)
    assert status.state is EnvironmentState.BROKEN
    assert "changed since they were built: server" in status.detail
    yard.install()
    assert program.read_text() == "program\n"


def test_a_lost_python_part_is_made_again_without_building(yard: Yard) -> None:
    yard.install()
    yard.python.installed = False
    assert yard.environments.status(yard.spec).state is EnvironmentState.BROKEN
    calls = yard.called()
    yard.install()
    assert yard.called() == calls
    assert yard.python.installed


def test_a_lost_source_is_fetched_again_without_building(yard: Yard) -> None:
    source = Path(yard.install().source_dir or "").parent
    shutil.rmtree(source)
    assert "source is gone" in yard.environments.status(yard.spec).detail
    calls = len(yard.called())
    yard.install()
    assert [call.split()[0] for call in yard.called()[calls:]] == ["pip"]
    assert source.is_dir()


def own_folder(yard: Yard, *programs: str) -> Path:
    folder = yard.cache.parent / "own"
    folder.mkdir()
    for name in programs:
        (folder / name).write_text("mine")
        (folder / name).chmod(0o755)
    return folder


def test_programs_on_path_spare_the_build(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_folder(yard, "server", "quantize")
    monkeypatch.setenv("PATH", f"{own}:{yard.tools}:/usr/bin:/bin")
    environment = yard.install()
    assert environment.bin_dir == str(own)
    assert not any(call.startswith("cmake") for call in yard.called())
    assert "your own" in yard.environments.status(yard.spec).detail


def test_a_server_without_its_quantizer_does_not(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_folder(yard, "server")
    monkeypatch.setenv("PATH", f"{own}:{yard.tools}:/usr/bin:/bin")
    assert yard.install().bin_dir != str(own)


def test_a_variable_chooses(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_folder(yard, "server", "quantize")
    monkeypatch.setenv("PACELINE_ENGINE_TOY", str(own))
    assert yard.install().bin_dir == str(own)
    monkeypatch.setenv("PATH", f"{own}:{yard.tools}:/usr/bin:/bin")
    monkeypatch.setenv("PACELINE_ENGINE_TOY", "built")
    assert yard.install().bin_dir != str(own)
    monkeypatch.setenv("PACELINE_ENGINE_TOY", "path")
    assert yard.install().bin_dir == str(own)


def test_a_named_folder_without_the_programs_is_refused(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.install()
    monkeypatch.setenv("PACELINE_ENGINE_TOY", str(own_folder(yard, "server")))
    status = yard.environments.status(yard.spec)
    assert status.state is EnvironmentState.BROKEN
    assert "has no quantize" in status.detail
    with pytest.raises(SetupError, match="has no quantize"):
        yard.install()


def test_an_unwritable_cache_is_told(yard: Yard) -> None:
    yard.cache.write_text("a file where a folder belongs")
    with pytest.raises(SetupError) as error:
        yard.install()
    assert error.value.code is Code.CACHE_UNWRITABLE
