"""What a replica that ends keeps others from, on the stage of its fleet."""

import pytest
from tests.unit.app.serving.stage import Stage, deploy, state

from paceline.app.serving.keeper import Broke, Entered, Released
from paceline.app.serving.replica import Replica
from paceline.records.deployment import Phase
from paceline.records.launch import Cause


def _late_in(stage: Stage, phase: Phase) -> Replica:
    """A start of version 2 whose budget ran out in this phase; its keeper does not end yet."""
    deploy(stage, version=2)
    late = stage.only(2)
    for entered in Phase:
        stage.fleet.told(Entered(replica_id=late.id, phase=entered))
        if entered is phase:
            break
    stage.in_flight[stage.only(1).id] = 1
    stage.pass_s(62)
    assert state(late) == "stopping"
    return late


@pytest.mark.parametrize("phase", [Phase.ENVIRONMENT, Phase.WEIGHTS])
def test_an_installation_that_cannot_be_ended_holds_nobody_up(serving: Stage, phase: Phase) -> None:
    late = _late_in(serving, phase)
    old = serving.only(1)
    serving.fleet.told(Broke(replica_id=old.id, cause=Cause.CRASHED, detail="exit 1"))
    serving.fleet.told(Released(replica_id=old.id))
    serving.pass_s(2)
    assert (state(serving.only(1)), state(late)) == ("starting", "stopping")
    serving.ready(serving.only(1))
    deploy(serving, version=2)
    assert serving.status().because == "an earlier start of its version still installs it"
    deploy(serving, version=3)
    assert state(serving.only(3)) == "starting"


@pytest.mark.parametrize("phase", [Phase.ENGINE, Phase.WEIGHTS])
def test_an_engine_that_ends_is_waited_for(serving: Stage, phase: Phase) -> None:
    """Also one that began while its start was given up."""
    late = _late_in(serving, phase)
    serving.fleet.told(Entered(replica_id=late.id, phase=Phase.ENGINE))
    old = serving.only(1)
    serving.fleet.told(Broke(replica_id=old.id, cause=Cause.CRASHED, detail="exit 1"))
    serving.fleet.told(Released(replica_id=old.id))
    serving.pass_s(2)
    assert serving.status().because == "another replica still holds its memory"
    serving.fleet.told(Released(replica_id=late.id))
    assert state(serving.only(1)) == "starting"
