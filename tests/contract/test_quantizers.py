"""Every quantizer keeps the contract of its port; needs its environment."""

from pathlib import Path

import pytest

from paceline.adapters.environments.uv import UvEnvironments
from paceline.adapters.hub.local import LocalHub
from paceline.adapters.quantizers.llmcompressor import LlmCompressor
from paceline.app.places import find_places
from paceline.ports.hub import Hub
from paceline.ports.quantizer import Quantizer
from paceline.records.launch import Environment
from paceline.records.model import Model
from paceline.testing.quantizers import QuantizerContract

pytestmark = pytest.mark.more_engines


class TestLlmCompressor(QuantizerContract):
    formats = ("w8a8", "gptq-4", "awq-4", "fp8")

    @pytest.fixture
    def quantizer(self) -> Quantizer:
        return LlmCompressor()

    @pytest.fixture
    def environment(self, quantizer: Quantizer) -> Environment:
        environments = UvEnvironments(find_places().cache)
        return environments.install(quantizer.environment(), say=print)

    @pytest.fixture
    def hub(self, tmp_path: Path) -> Hub:
        return LocalHub(tmp_path / "hashes")

    @pytest.fixture
    def model(self, hub: Hub) -> Model:
        return hub.find("reference")
