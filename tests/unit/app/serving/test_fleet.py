"""One endpoint's decisions, with a clock moved by hand and keepers that only remember."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.app.serving.stage import ENDPOINT, Stage, deploy, facts, state

from paceline.app.serving.keeper import Broke, Entered, Probed, Ready, Released
from paceline.app.serving.replica import Replica
from paceline.app.serving.trial_period import TrialPeriod
from paceline.deploy.canary import Observed
from paceline.deploy.crashes import CRASHES_BORNE
from paceline.deploy.reconcile import SETTLE_S
from paceline.records.deployment import (
    Canary,
    EndpointState,
    EndpointStatus,
    LogKind,
    Phase,
    ReplicaState,
)
from paceline.records.gateway import Pulse
from paceline.records.launch import Cause
from paceline.records.scaling import Bounds, PacelinePolicy
from paceline.testing.builders import a_variant


def test_a_deployment_is_tried_at_once_and_then_serves(make: Callable[..., Stage]) -> None:
    stage = make()
    one = stage.only()
    assert state(one) == "starting"
    assert stage.status().state is EndpointState.STARTING
    stage.ready(one)
    assert state(one) == "serving"
    assert (stage.status().state, stage.status().stable) == (EndpointState.LIVE, 1)
    (stored,) = stage.desk.store.deployments.replicas(live=True)
    assert stored.cold_start is not None
    assert stored.cold_start.engine_s == pytest.approx(0.5)
    route = stage.fleet.route()
    assert route is not None
    assert (route.replicas[0].port, route.replicas[0].capacity) == (20_001, 4)
    assert route.usd_per_million_output_tokens == 2.0


def test_nothing_is_said_to_serve_before_the_gateway_knows(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.admit(stage.only())
    assert (stage.status().state, stage.status().ready) == (EndpointState.STARTING, 0)
    stage.fleet.pulsed(None, Pulse(revision=0, at_s=0.0, endpoints=(), replicas=()))
    assert (stage.status().ready, stage.log(LogKind.ROLLOUT)) == (0, [])
    stage.pulse()
    assert (stage.status().state, stage.status().ready) == (EndpointState.LIVE, 1)
    assert stage.log(LogKind.ROLLOUT) == ["version 1 carries all traffic"]


def test_a_roll_is_over_when_the_gateway_gives_the_old_one_nothing_more(serving: Stage) -> None:
    deploy(serving, version=2)
    arrived = "version 2 carries all traffic"
    serving.in_flight[serving.only(1).id] = 1
    serving.ready(serving.only(2))
    while state(serving.only(1)) == "serving":
        assert serving.status().state is EndpointState.ROLLING
        serving.clock.sleep(1.0)
        serving.fleet.tick()
    assert serving.status().state is EndpointState.ROLLING
    assert arrived not in serving.log(LogKind.ROLLOUT), "its table still has the old one"
    serving.pulse()
    assert serving.status().state is EndpointState.LIVE
    assert arrived in serving.log(LogKind.ROLLOUT)


def test_while_it_starts_clients_are_told_how_long(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.clock.sleep(4.0)
    stage.fleet.told(Entered(replica_id=stage.only().id, phase=Phase.ENGINE))
    route = stage.fleet.route()
    assert route is not None and route.starting is not None
    assert route.starting.phase == "engine"
    assert route.starting.eta_s == pytest.approx(6.0)
    assert route.starting.progress == pytest.approx(0.4)


def test_a_deployment_that_starts_slower_than_its_idle_timeout_is_still_tried(
    make: Callable[..., Stage],
) -> None:
    stage = make()
    stage.pass_s(20)
    assert state(stage.only()) == "starting"


def test_idle_it_goes_to_zero_and_a_waiting_request_brings_it_back(serving: Stage) -> None:
    serving.pass_s(10)
    one = serving.only()
    assert state(one) == "stopping", "drained at once: nothing was in flight"
    serving.fleet.told(Released(replica_id=one.id))
    assert (serving.fleet.replicas, serving.status().state) == ((), EndpointState.IDLE)
    serving.fleet.woken()
    assert state(serving.only()) == "starting"
    assert len(serving.log(LogKind.SCALE)) == 2


@pytest.mark.parametrize(("seen_s", "idle_s"), [((), 20), ((31.0, 30.0, 29.0), 80)])
def test_how_long_it_idles_is_worth_the_starts_that_were_seen(
    make: Callable[..., Stage], seen_s: tuple[float, ...], idle_s: int
) -> None:
    """The run measured 10 s."""
    stage = make(replace(ENDPOINT, policy=PacelinePolicy(stable_s=1.0)))
    stage.desk.seen_starts_s = seen_s
    stage.ready(stage.only())
    stage.pass_s(idle_s - 2)
    assert state(stage.only()) == "serving"
    stage.pass_s(4)
    assert state(stage.only()) == "stopping"
    assert stage.log(LogKind.SCALE) == [f"idle for {idle_s} s"]


def test_the_reason_that_is_shown_is_that_of_the_count(serving: Stage) -> None:
    assert serving.status().because == "deployed"
    serving.pass_s(10)
    scaled = serving.log(LogKind.SCALE)
    assert serving.status().because == scaled[-1]
    serving.pass_s(3)
    assert serving.status().because == scaled[-1], "not that of the last look"


def test_what_is_in_flight_is_waited_for(serving: Stage) -> None:
    old = serving.only()
    serving.in_flight[old.id] = 2
    deploy(serving, version=2)
    serving.ready(serving.only(2))
    serving.pass_s(SETTLE_S + 1)
    assert state(old) == "draining"
    serving.pass_s(5)
    assert state(old) == "draining"
    serving.in_flight.clear()
    serving.pulse()
    assert state(old) == "stopping"
    assert serving.desk.keepers[old.id].told == ["start", "stop"]


def test_a_drain_is_bounded(serving: Stage) -> None:
    old = serving.only()
    serving.in_flight[old.id] = 1
    deploy(serving, version=2)
    serving.ready(serving.only(2))
    serving.pass_s(SETTLE_S + 1 + ENDPOINT.drain_timeout_s + 1)
    steps = serving.desk.store.deployments.replica_steps(old.id)
    assert steps[-1].because == "1 still in flight after 30 s"


def test_a_pulse_from_before_the_drain_does_not_end_it(serving: Stage) -> None:
    one = serving.only()
    serving.fleet.remove()
    serving.fleet.work()
    assert state(one) == "draining"
    stale = Pulse(revision=0, at_s=0.0, endpoints=(), replicas=())
    serving.fleet.pulsed(None, stale)
    assert state(one) == "draining"
    serving.pulse()
    serving.fleet.told(Released(replica_id=one.id))
    assert serving.fleet.gone


def test_a_crash_is_restarted_after_a_pause(serving: Stage) -> None:
    one = serving.only()
    serving.fleet.told(Broke(replica_id=one.id, cause=Cause.CRASHED, detail="exit -9"))
    assert state(one) == "stopping"
    serving.fleet.told(Released(replica_id=one.id))
    assert state(serving.only()) == "queued"
    assert "broke" in serving.status().because
    serving.pass_s(2)
    assert state(serving.only()) == "starting"
    assert serving.status().failed == ()


def test_one_that_served_is_started_again_whatever_ended_it(serving: Stage) -> None:
    deploy(serving)  # the count of crashes begins anew; that it served does not
    one = serving.only()
    serving.fleet.told(Broke(replica_id=one.id, cause=Cause.OUT_OF_MEMORY, detail="exit -9"))
    serving.fleet.told(Released(replica_id=one.id))
    serving.pass_s(2)
    assert state(serving.only()) == "starting"


def test_a_version_that_never_starts_is_given_up(make: Callable[..., Stage]) -> None:
    stage = make()
    for _ in range(3):
        one = stage.only()
        stage.fleet.told(Broke(replica_id=one.id, cause=Cause.CRASHED, detail="exit 1"))
        stage.fleet.told(Released(replica_id=one.id))
        stage.pass_s(8)
    assert stage.fleet.replicas == ()
    assert stage.status().state is EndpointState.FAILED
    assert stage.status().failed[0].because == "3 failed starts in a row: exit 1"
    route = stage.fleet.route()
    assert route is not None and route.failed is not None
    deploy(stage)
    assert state(stage.only()) == "starting", "deploying again tries again"


def test_over_its_cold_start_budget_a_version_fails_with_the_phase(
    make: Callable[..., Stage],
) -> None:
    stage = make()
    one = stage.only()
    stage.fleet.told(Entered(replica_id=one.id, phase=Phase.ENGINE))
    stage.pass_s(62)
    assert state(one) == "stopping"
    failed = stage.status().failed[0]
    assert failed.phase == "engine"
    assert "61 s of 60 s" in failed.because


@pytest.fixture
def pair(make: Callable[..., Stage]) -> tuple[Stage, Replica]:
    """Two replicas are wanted, and this one serves; the other one starts."""
    stage = make(replace(ENDPOINT, policy=replace(ENDPOINT.policy, bounds=Bounds(min_replicas=2))))
    sound = stage.only()
    stage.ready(sound)
    stage.pass_s(1)
    assert sorted(map(state, stage.fleet.replicas)) == ["serving", "starting"]
    return stage, sound


def _other(stage: Stage, sound: Replica) -> Replica:
    (found,) = [one for one in stage.fleet.replicas if one is not sound]
    return found


def test_starts_that_fail_beside_one_that_serves_wait_and_leave_it_alone(
    pair: tuple[Stage, Replica],
) -> None:
    stage, sound = pair
    for tries in range(8):
        one = _other(stage, sound)
        stage.fleet.told(Broke(replica_id=one.id, cause=Cause.OUT_OF_MEMORY, detail="exit 1"))
        stage.fleet.told(Released(replica_id=one.id))
        assert (state(sound), state(_other(stage, sound))) == ("serving", "queued"), tries
        stage.pass_s(61)
    assert state(_other(stage, sound)) == "starting", "it is tried again"
    assert stage.status().failed == ()


def test_a_start_over_its_budget_beside_one_that_serves_waits_and_says_why(
    pair: tuple[Stage, Replica],
) -> None:
    stage, sound = pair
    late = _other(stage, sound)
    stage.fleet.told(Entered(replica_id=late.id, phase=Phase.ENGINE))
    while state(late) == "starting":
        stage.pass_s(1)
    assert (state(sound), state(late), stage.status().failed) == ("serving", "stopping", ())
    assert any("broke in engine: 61 s of 60 s" in text for text in stage.log(LogKind.REPLICA))
    stage.fleet.told(Released(replica_id=late.id))
    assert state(_other(stage, sound)) == "queued"
    assert stage.status().because.startswith("version 1 broke in engine: 61 s of 60 s")
    stage.pass_s(2)
    assert state(_other(stage, sound)) == "starting"


def test_what_is_no_longer_waited_for_is_no_longer_said(pair: tuple[Stage, Replica]) -> None:
    stage, sound = pair
    one = _other(stage, sound)
    stage.desk.busy = "an optimization has 'cpu' alone"
    stage.fleet.told(Broke(replica_id=one.id, cause=Cause.CRASHED, detail="exit 1"))
    stage.fleet.told(Released(replica_id=one.id))
    pause = "version 1 broke in environment: exit 1; a pause before the next try"
    assert stage.status().because == pause
    deploy(stage, policy=ENDPOINT.policy)  # one is enough
    assert stage.status().because == stage.desk.busy
    stage.in_flight[sound.id] = 1
    stage.pass_s(10)
    assert stage.fleet.replicas == (sound,)
    assert stage.status().because == stage.log(LogKind.SCALE)[-1]


def test_it_fails_when_the_one_that_served_is_gone_too(pair: tuple[Stage, Replica]) -> None:
    stage, sound = pair
    stage.fleet.told(Broke(replica_id=sound.id, cause=Cause.CRASHED, detail="exit 1"))
    stage.fleet.told(Released(replica_id=sound.id))
    stage.pass_s(62)
    assert stage.status().state is EndpointState.FAILED
    assert "cold start over its budget: 61 s of 60 s" in stage.status().because


def test_a_new_version_that_fails_leaves_the_old_one_alone(serving: Stage) -> None:
    old = serving.only()
    deploy(serving, version=2)
    new = serving.only(2)
    serving.fleet.told(Broke(replica_id=new.id, cause=Cause.UNSUPPORTED, detail="exit 1"))
    serving.fleet.told(Released(replica_id=new.id))
    serving.pass_s(3)
    assert state(old) == "serving"
    assert serving.fleet.replicas == (old,)
    assert (serving.status().state, serving.status().stable) == (EndpointState.LIVE, 1)


def test_a_rollout_goes_back_when_a_further_replica_cannot_start(
    pair: tuple[Stage, Replica],
) -> None:
    stage, sound = pair
    stage.ready(_other(stage, sound))
    deploy(stage, version=2)
    first = stage.only(2)
    stage.ready(first)
    starts = 0
    while starts < CRASHES_BORNE:
        stage.pass_s(1)
        for one in stage.fleet.replicas:
            if state(one) == "starting":
                starts += 1
                stage.fleet.told(Broke(replica_id=one.id, cause=Cause.CRASHED, detail="exit 1"))
            if state(one) == "stopping":
                stage.fleet.told(Released(replica_id=one.id))
    (failed,) = stage.status().failed
    assert (failed.version, failed.because) == (2, "5 crashes in a row: exit 1")
    stage.pass_s(1)
    (back,) = [one for one in stage.fleet.replicas if state(one) == "starting"]
    assert back.version == 1
    stage.ready(back)
    stage.pass_s(10)
    assert [one.version for one in stage.fleet.replicas if state(one) == "serving"] == [1, 1]
    assert state(first) != "serving"


def test_a_version_that_cannot_be_read_fails(serving: Stage) -> None:
    deploy(serving, version=9)
    assert serving.status().failed[0].phase == "reading"
    assert state(serving.only()) == "serving"


def test_a_version_that_cannot_be_read_for_a_moment_does_not_fail(serving: Stage) -> None:
    serving.desk.away = True
    deploy(serving, version=2)
    assert serving.status().failed == ()
    serving.desk.away = False
    serving.pass_s(1)
    assert state(serving.only(2)) == "starting"


def test_a_busy_device_is_waited_for_and_said_once(make: Callable[..., Stage]) -> None:
    stage = make()
    one = stage.only()
    stage.fleet.told(Broke(replica_id=one.id, cause=Cause.CRASHED, detail="exit 1"))
    stage.fleet.told(Released(replica_id=one.id))
    stage.desk.busy = "an optimization has 'cpu' alone"
    stage.pass_s(5)
    assert state(stage.only()) == "queued"
    assert stage.status().because == "an optimization has 'cpu' alone"
    assert sum("an optimization" in text for text in stage.log(LogKind.REPLICA)) == 1
    stage.desk.busy = None
    stage.pass_s(1)
    assert state(stage.only()) == "starting"


def test_each_replica_gets_a_card_of_its_own_and_gives_it_back(
    make: Callable[..., Stage],
) -> None:
    stage = make(replace(ENDPOINT, policy=replace(ENDPOINT.policy, bounds=Bounds(min_replicas=2))))
    stage.desk.with_cards(2)
    stage.pass_s(1)
    first, second = stage.fleet.replicas
    assert first.record.devices == (), "it began before there were cards"
    assert second.record.devices == ("0",)
    stage.fleet.told(Broke(replica_id=second.id, cause=None, detail="gone"))
    stage.fleet.told(Released(replica_id=second.id))
    stage.pass_s(3)
    (again,) = [one for one in stage.fleet.replicas if one is not first]
    assert again.record.devices == ("0",)


def test_a_version_that_needs_more_cards_than_there_are_fails_with_both_numbers(
    serving: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = serving
    stage.desk.with_cards(1)
    two = replace(
        facts(2), version=replace(facts(2).version, variant=replace(a_variant(), count=2))
    )
    monkeypatch.setattr(stage.desk, "facts", lambda pipeline, version: two)
    deploy(stage, version=2)
    stage.pass_s(1)
    (failed,) = stage.status().failed
    assert "2 x cpu are needed, this machine has 1" in failed.because


def test_what_a_keeper_says_on_its_way_out_changes_nothing(serving: Stage) -> None:
    one = serving.only()
    serving.fleet.end_all("ends")
    for late in (
        Broke(replica_id=one.id, cause=None, detail="late"),
        Ready(replica_id=one.id, host="h", port=1, model_name="m"),
        Probed(replica_id=one.id, failed=None),
    ):
        serving.fleet.told(late)
    assert state(one) == "stopping"
    serving.fleet.told(Released(replica_id=one.id))
    assert serving.fleet.gone


def test_what_is_removed_gives_its_aliases_up_at_once(serving: Stage) -> None:
    deploy(serving, aliases=("chat",))
    before = serving.fleet.route()
    serving.fleet.remove()
    serving.fleet.work()
    after = serving.fleet.route()
    assert before is not None and after is not None, "it still drains"
    assert (before.aliases, after.aliases) == (("chat",), ())


def test_the_gateways_death_ends_drains(serving: Stage) -> None:
    one = serving.only()
    serving.in_flight[one.id] = 3
    serving.pulse()
    serving.fleet.remove()
    serving.fleet.work()
    serving.fleet.gateway_lost()
    assert state(one) == "stopping"


def test_after_a_restart_as_many_are_wanted_as_before(make: Callable[..., Stage]) -> None:
    status = EndpointStatus(
        name="demo",
        revision=1,
        state=EndpointState.LIVE,
        because="",
        updated_at_utc="",
        stable=1,
        replicas=2,
    )
    assert len(make(status=status).fleet.replicas) == 2


class Verdicts(TrialPeriod):
    """A canary's requests as a test has them."""

    seen: tuple[Observed, Observed] = (Observed(), Observed())

    def _read(self, endpoint: str) -> None:
        canary, stable = self.seen
        for version, observed in ((self.version, canary), (1, stable)):
            count = self._count(version)
            count.answered, count.failed = observed.answered, observed.failed


@pytest.fixture
def canary(serving: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    trial = Verdicts(2, tmp_path, serving.clock.monotonic_s())
    monkeypatch.setattr(serving.desk, "trial_period", lambda version, now_s: trial)
    plan = Canary(share=0.05, at_least_s=10.0, requests=20)
    deploy(serving, version=2, canary=plan)
    serving.ready(serving.only(2))
    return serving


def test_a_canary_gets_its_share_beside_the_old_version(canary: Stage) -> None:
    route = canary.fleet.route()
    assert route is not None
    assert {(one.version, one.share) for one in route.replicas} == {(1, None), (2, 0.05)}
    assert canary.status().state is EndpointState.CANARY
    assert canary.log(LogKind.CANARY) == ["gets 5 % of new requests"]


def test_requests_of_both_versions_have_a_price(canary: Stage) -> None:
    canary.pass_s(1)
    assert {n: one.usd_per_mtok for n, one in canary.fleet.prices().items()} == {1: 2.0, 2: 2.0}


@pytest.mark.parametrize(("failed", "kept", "word"), [(0, 2, "promoted"), (15, 1, "rolled back")])
def test_a_canary_is_promoted_or_rolled_back_with_its_reason(
    canary: Stage, failed: int, kept: int, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary.in_flight[canary.only(1).id] = 1  # traffic, so that nothing idles
    observed = (Observed(answered=30 - failed, failed=failed), Observed(answered=500))
    monkeypatch.setattr(Verdicts, "seen", observed)
    canary.pass_s(12)
    canary.fleet.update(canary.desk.store.deployments.endpoint("demo"))
    canary.pass_s(4)
    assert any(text.startswith(word) for text in canary.log(LogKind.CANARY))
    (event,) = canary.desk.store.events()
    assert (event.kind, event.actor) == (f"canary-{word.replace(' ', '-')}", "serve")
    assert event.detail.startswith(f"version 2 {word}: ")
    serving_versions = {
        one.version for one in canary.fleet.replicas if one.state is ReplicaState.SERVING
    }
    assert serving_versions == {kept}
    shown = canary.status().because
    assert shown.startswith("version 2 failed in canary: ") is (kept == 1), shown
