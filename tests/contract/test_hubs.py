"""Every hub keeps the contract of its port."""

import sys
from pathlib import Path

import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.app.hubs import AnyHub
from paceline.ports.hub import Hub
from paceline.testing.hubs import HubContract, Publish
from paceline.testing.model_hub import DoubleRepo, ModelHub

MODULE = """
from pathlib import Path


class Shipped:
    name = "shipped"
    model_path = Path({folder!r})
    suite_path = None
"""


class TestLocalHubByFolder(HubContract):
    @pytest.fixture
    def hub(self, tmp_path: Path) -> Hub:
        return LocalHub(tmp_path / "cache")

    @pytest.fixture
    def publish(self, tmp_path: Path) -> Publish:
        return str


class TestLocalHubByInstalledPackage(HubContract):
    @pytest.fixture
    def hub(self, tmp_path: Path) -> Hub:
        return LocalHub(tmp_path / "cache")

    @pytest.fixture
    def publish(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
        """Each folder becomes a package of its own, found by entry point like any other."""
        site = tmp_path / "site"
        site.mkdir()
        monkeypatch.syspath_prepend(str(site))

        def install(folder: Path) -> str:
            number = len(list(site.glob("*.dist-info")))
            module, name = f"shipped_model_{number}", f"shipped-{number}"
            (site / f"{module}.py").write_text(MODULE.format(folder=str(folder)))
            info = site / f"{module}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(
                f"[paceline.models]\n{name} = {module}:Shipped\n"
            )
            monkeypatch.delitem(sys.modules, module, raising=False)
            return name

        return install


class TestStoreByUrl(HubContract):
    @pytest.fixture
    def hub(self, tmp_path: Path) -> Hub:
        return AnyHub(tmp_path / "cache")

    @pytest.fixture
    def publish(self) -> Publish:
        return lambda folder: f"file://{folder}"


@pytest.mark.enable_socket
class TestHuggingFace(HubContract):
    @pytest.fixture
    def hub(self, tmp_path: Path, model_hub: ModelHub) -> Hub:
        assert model_hub.url
        return AnyHub(tmp_path / "cache")

    @pytest.fixture
    def publish(self, model_hub: ModelHub) -> Publish:
        def upload(folder: Path) -> str:
            name = f"acme/model-{len(model_hub.repos)}"
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            return model_hub.add(DoubleRepo(name=name, files=files)).name

        return upload
