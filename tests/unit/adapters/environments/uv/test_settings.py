"""pip's settings hold for uv too, and CUDA stays away from machines without it."""

from pathlib import Path

import pytest

from paceline.adapters.environments.uv import settings
from paceline.adapters.environments.uv.settings import pip_settings, torch_options, uv_variables


def test_variables_win_over_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    system, own = tmp_path / "pip.conf", tmp_path / "own.conf"
    system.write_text("[global]\nfind-links = /a\ncert = /c\nindex-url = https://one/simple\n")
    own.write_text("[install]\nfind-links =\n  /b\n  /c\n")
    found = pip_settings({}, [system, own, tmp_path / "absent"])
    assert found["find-links"].split() == ["/b", "/c"]
    assert found["cert"] == "/c"
    found = pip_settings({"PIP_FIND_LINKS": "/d", "PIP_NO_INDEX": ""}, [system, own])
    assert found["find-links"] == "/d"
    assert "no-index" not in found


def test_pips_settings_become_uvs() -> None:
    pip = {"index-url": "https://m/simple", "find-links": "/a /b", "cert": "/c.pem"}
    assert uv_variables(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://m/simple",
        "UV_FIND_LINKS": "/a,/b",
        "SSL_CERT_FILE": "/c.pem",
    }


def test_several_indexes_are_searched_as_pip_does() -> None:
    found = uv_variables({"extra-index-url": "https://a\nhttps://b"}, {})
    assert found == {"UV_INDEX": "https://a https://b", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_what_is_set_for_uv_is_left_alone() -> None:
    assert uv_variables({"find-links": "/a"}, {"UV_FIND_LINKS": "/z"}) == {}


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_NVIDIA", tmp_path / "absent")


@pytest.mark.usefixtures("no_gpu")
def test_the_cpu_build_is_asked_for_where_no_wheel_of_it_lies(tmp_path: Path) -> None:
    assert torch_options(["torch==2.13.0"], "") == ["--torch-backend", "cpu"]
    assert torch_options(["torch==2.13.0"], str(tmp_path)) == ["--torch-backend", "cpu"]
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    assert torch_options(["torch==2.13.0"], f"/other,{tmp_path}") == []


@pytest.mark.usefixtures("no_gpu")
def test_environments_without_torch_need_no_choice() -> None:
    assert torch_options(["torchmetrics==1.0", "numpy==2.0"], "") == []


def test_a_machine_with_a_card_gets_the_full_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_NVIDIA", tmp_path)
    assert torch_options(["torch==2.13.0"], "") == []
