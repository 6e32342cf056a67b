"""A stage with one endpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.app.serving.stage import ENDPOINT, FakeDesk, Stage

from paceline.app.serving.fleet import Fleet
from paceline.clock import ManualClock
from paceline.records.deployment import (
    Endpoint,
    EndpointStatus,
)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Stage]:
    def build(endpoint: Endpoint = ENDPOINT, status: EndpointStatus | None = None) -> Stage:
        clock = ManualClock()
        desk = FakeDesk(clock, tmp_path)
        placed = desk.store.deployments.put_endpoint(endpoint)
        stage = Stage(desk, clock, Fleet(placed, status, desk))
        stage.fleet.work()
        return stage

    return build


@pytest.fixture
def serving(make: Callable[..., Stage]) -> Stage:
    stage = make()
    stage.ready(stage.only())
    return stage
