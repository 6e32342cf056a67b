"""Every load generator on its contract."""

import pytest

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.ports.load import LoadGenerator
from paceline.testing.load import LoadGeneratorContract, LoadProbeContract

pytestmark = pytest.mark.enable_socket


class TestOpenAiHttp(LoadGeneratorContract):
    @pytest.fixture
    def generator(self) -> LoadGenerator:
        return OpenAiHttp()


class TestOpenAiHttpProbe(LoadProbeContract):
    @pytest.fixture
    def generator(self) -> LoadGenerator:
        return OpenAiHttp()
