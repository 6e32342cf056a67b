"""Installed once, whole or not at all; uv here is a script that does what the test says."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.environments.uv import environments, program
from paceline.adapters.environments.uv.environments import UvEnvironments
from paceline.errors import Code, SetupError
from paceline.records.launch import EnvironmentSpec, EnvironmentState

SPEC = EnvironmentSpec(name="openvino", requirements=("a==1", "b==2"), overrides=("c==3",))
UV = """#!/bin/sh
echo "$@" >> {calls}
case "$1 $2" in
  "venv "*) for last; do :; done; mkdir -p "$last/bin"; touch "$last/bin/python";;
  "pip install") {install};;
  "pip freeze") cat {frozen};;
esac
"""


class Workshop:
    """A cache, a uv and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.uv = folder / "uv"
        self.calls = folder / "calls"
        self.frozen = folder / "frozen"
        self.frozen.write_text("b==2\na==1\n")
        self.said: list[str] = []
        self.installs("echo Resolved 2 packages; echo ' + a==1'")

    def installs(self, script: str) -> None:
        self.calls.write_text("")
        self.uv.write_text(UV.format(calls=self.calls, install=script, frozen=self.frozen))
        self.uv.chmod(0o755)

    @property
    def environments(self) -> UvEnvironments:
        return UvEnvironments(self.cache)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop(tmp_path)
    monkeypatch.setattr(environments, "find_uv", lambda: str(shop.uv))
    monkeypatch.delenv("PACELINE_ENGINE_OPENVINO", raising=False)
    return shop


def test_installs_into_an_environment_of_its_own(shop: Workshop) -> None:
    environment = shop.environments.install(SPEC, say=shop.said.append)
    venv, install, _freeze = shop.called()
    assert sys.executable in venv
    assert environment.python in install
    assert install.endswith("a==1 b==2")
    assert "--override" in install
    assert environment.lock == ("a==1", "b==2")
    assert environment.installed_s is not None
    assert "Resolved 2 packages" in shop.said
    assert not any("+ a" in line for line in shop.said)


def test_an_alias_is_written_and_makes_another_environment(shop: Workshop) -> None:
    spec = replace(SPEC, aliases=("d==4",))
    plain, named = shop.environments.folder(SPEC), shop.environments.folder(spec)
    assert plain != named
    site = "lib/python3.11/site-packages"
    shop.installs(f"mkdir -p {named}/{site}")
    shop.environments.install(spec, say=shop.said.append)
    assert (named / site / "d-4.dist-info" / "METADATA").is_file()


def test_finds_it_the_second_time(shop: Workshop) -> None:
    first = shop.environments.install(SPEC, say=shop.said.append)
    calls = len(shop.called())
    second = shop.environments.install(SPEC, say=shop.said.append)
    assert [call.split()[0:2] for call in shop.called()[calls:]] == [["pip", "freeze"]]
    assert second.installed_s is None
    assert (second.python, second.lock_sha256) == (first.python, first.lock_sha256)


def test_another_pin_is_another_environment(shop: Workshop) -> None:
    other = EnvironmentSpec(name="openvino", requirements=("a==2",))
    assert shop.environments.folder(SPEC) != shop.environments.folder(other)


def test_an_interrupted_installation_is_absent_and_made_anew(shop: Workshop) -> None:
    shop.installs("echo error: Failed to fetch; exit 2")
    with pytest.raises(SetupError) as error:
        shop.environments.install(SPEC, say=shop.said.append)
    assert error.value.code is Code.INSTALL_FAILED
    status = shop.environments.status(SPEC)
    assert status.state is EnvironmentState.ABSENT
    assert "paceline engines install openvino" in status.detail
    leftover = shop.environments.folder(SPEC) / "leftover"
    leftover.touch()
    shop.installs("true")
    shop.environments.install(SPEC, say=shop.said.append)
    assert shop.environments.status(SPEC).state is EnvironmentState.INSTALLED
    assert not leftover.exists()


def test_a_damaged_environment_is_broken(shop: Workshop) -> None:
    environment = shop.environments.install(SPEC, say=shop.said.append)
    Path(environment.python).unlink()
    assert shop.environments.status(SPEC).state is EnvironmentState.BROKEN


def test_a_check_sees_what_changed_since(shop: Workshop) -> None:
    shop.environments.install(SPEC, say=shop.said.append)
    assert shop.environments.check(SPEC).state is EnvironmentState.INSTALLED
    shop.frozen.write_text("a==1\nb==9\n")
    status = shop.environments.check(SPEC)
    assert status.state is EnvironmentState.BROKEN
    assert "b==2" in status.detail
    assert "b==9" in status.detail


def test_an_installation_that_changed_is_made_anew(shop: Workshop) -> None:
    shop.environments.install(SPEC, say=shop.said.append)
    shop.frozen.write_text("a==1\nb==9\n")
    again = shop.environments.install(SPEC, say=shop.said.append)
    assert again.installed_s is not None
    assert shop.environments.check(SPEC).state is EnvironmentState.INSTALLED


def test_a_broken_installation_of_the_users_own_is_not_replaced(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_ENGINE_OPENVINO", str(tmp_path / "absent"))
    with pytest.raises(SetupError, match="PACELINE_ENGINE_OPENVINO") as error:
        shop.environments.install(SPEC, say=shop.said.append)
    assert error.value.code is Code.ENGINE_NOT_INSTALLED


def test_a_cache_that_cannot_be_written_is_told(shop: Workshop) -> None:
    shop.cache.write_text("a file")
    with pytest.raises(SetupError):
        shop.environments.install(SPEC, say=shop.said.append)


def test_an_installation_of_the_users_own_is_used_on_demand(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_ENGINE_OPENVINO", str(tmp_path / "own"))
    assert shop.environments.status(SPEC).state is EnvironmentState.BROKEN
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "python").touch()
    status = shop.environments.status(SPEC)
    assert status.state is EnvironmentState.INSTALLED
    assert status.environment is not None
    assert status.environment.bin_dir == str(tmp_path / "own")
    assert status.environment.lock == ("a==1", "b==2")


def test_path_means_where_the_program_lies(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openvino", "python"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PACELINE_ENGINE_OPENVINO", "path")
    status = shop.environments.status(SPEC)
    assert status.environment is not None
    assert status.environment.bin_dir == str(tmp_path)


def test_without_uv_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(program, "find_uv_bin", absent)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SetupError, match="pip install uv"):
        program.find_uv()
