"""Plugins of strangers: one that does not import is said once and stops nobody else."""

import logging
from pathlib import Path

import pytest

from paceline.app import registry
from paceline.app.checkpoints import quantizers
from paceline.app.engines import engine_statuses, install_engines
from paceline.app.hubs import AnyHub
from paceline.app.places import Places
from paceline.app.registry import engine_names, load_engine, usable_engines
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, SetupError, SpecError


def install(folder: Path, kind: str, name: str, module: str) -> None:
    """A package `stranger` that offers an adapter, as pip would leave it."""
    info = folder / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[paceline.{kind}]\n{name} = {name}_module:Made\n")
    (folder / f"{name}_module.py").write_text(module)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    registry._say_once.cache_clear()  # once per process is once per test here
    return site


FAULTS = (
    "import no_such_package\n",
    "def unfinished(:\n",
    "raise OSError('libcuda.so.1: cannot open shared object file')\n",
    "raise RuntimeError('no driver')\n",
    "Other = 1\n",
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_engine_is_said_once_and_left_out(
    fault: str, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"broken{FAULTS.index(fault)}"
    install(site, "engines", name, fault)
    assert name in engine_names()
    with caplog.at_level(logging.WARNING):
        others = [set(usable_engines()), set(usable_engines())]
    assert others == [set(engine_names()) - {name, "fake"}] * 2
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"left out: the adapter '{name}'" in said
    assert "fix: reinstall or remove the package 'stranger'" in said


def test_asked_for_by_name_a_broken_engine_is_an_error(site: Path) -> None:
    install(site, "engines", "brokenbyname", "import no_such_package\n")
    with pytest.raises(SetupError) as raised:
        load_engine("brokenbyname")
    assert raised.value.code is Code.PLUGIN_BROKEN
    assert "No module named 'no_such_package'" in raised.value.why


def test_a_broken_quantizer_is_left_out_as_well(site: Path) -> None:
    install(site, "quantizers", "brokentool", "import no_such_package\n")
    assert [tool.name for tool in quantizers()] == ["llmcompressor"]


def test_a_broken_source_is_said_once_and_stops_no_other(
    site: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "sources", "brokensource", "import no_such_package\n")
    hub = AnyHub(tmp_path / "cache")
    with caplog.at_level(logging.WARNING):
        covering = [any(source.covers("acme/chat") for source in hub.sources()) for _ in range(2)]
    assert covering == [True, True]
    (said,) = [record.getMessage() for record in caplog.records]
    assert "left out: the adapter 'brokensource' of paceline.sources" in said


def test_a_wrong_name_is_told_before_anything_is_installed(tmp_path: Path) -> None:
    shop = Workshop(Places(data=tmp_path / "data", cache=tmp_path / "cache"), ManualClock())
    with pytest.raises(SpecError, match="no engine is called 'vlm'"):
        install_engines(("openvino", "vlm"), shop, say=print)


def test_the_list_of_engines_is_of_those_that_can_be_used(site: Path, tmp_path: Path) -> None:
    install(site, "engines", "brokeninlist", "import no_such_package\n")
    shop = Workshop(Places(data=tmp_path / "data", cache=tmp_path / "cache"), ManualClock())
    names = [status.name for status in engine_statuses(shop)]
    assert "transformers" in names
    assert not {"brokeninlist", "fake"} & set(names)


def test_the_fake_engine_is_valid_but_not_offered() -> None:
    assert load_engine("fake").name == "fake"
    with pytest.raises(SpecError) as raised:
        load_engine("vlm")
    assert raised.value.what == "no engine is called 'vlm'"
    assert "vllm" in raised.value.why
    assert "fake" not in raised.value.why
