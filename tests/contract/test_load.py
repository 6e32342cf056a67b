"""Every load generator on its contract."""

import signal
from dataclasses import replace

import psutil
import pytest

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.ports.load import LoadGenerator
from paceline.records.client import ClientState
from paceline.records.load import LoadProgress
from paceline.testing.golden_server.launch import golden_server
from paceline.testing.load import (
    QUICK,
    LoadGeneratorContract,
    LoadProbeContract,
    closed,
    target,
)
from paceline.trial.innocence import judge_client
from paceline.units import Seconds

pytestmark = [pytest.mark.alone, pytest.mark.enable_socket]


class TestOpenAiHttp(LoadGeneratorContract):
    @pytest.fixture
    def generator(self) -> LoadGenerator:
        return OpenAiHttp()


def test_a_client_process_that_dies_costs_its_last_requests_only() -> None:
    shape = closed(1, 4)
    settings = replace(shape.settings, processes=2)
    plan = replace(shape, requests=None, duration_s=Seconds(600.0), settings=settings)
    seen: list[LoadProgress] = []

    def kill_one(progress: LoadProgress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            workers = psutil.Process().children()
            next(w for w in workers if "".join(w.cmdline()).endswith("worker")).kill()

    with golden_server(*QUICK) as server:
        result = OpenAiHttp().run(target(server), plan, on_progress=kill_one)
    assert result.stopped
    assert result.health.deaths == (-signal.SIGKILL,)
    assert len(result.samples) > 0
    verdict = judge_client(result)
    assert verdict.verdict is ClientState.CLIENT_BOUND
    assert "1 of 2 client processes died" in verdict.reasons[0]


class TestOpenAiHttpProbe(LoadProbeContract):
    @pytest.fixture
    def generator(self) -> LoadGenerator:
        return OpenAiHttp()
