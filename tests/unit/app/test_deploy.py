"""What `deploy` writes down."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app import deploy as module
from paceline.app.deploy import (
    SERVED_WITHIN_S,
    DeployOrder,
    deploy,
    read_target,
    wait_settled,
)
from paceline.app.endpoints import remove
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import CapacityError, Code, SpecError
from paceline.records.deployment import Canary, Endpoint, EndpointState, EndpointStatus
from paceline.records.gateway import UnknownParameters
from paceline.records.model import FileHash, Model
from paceline.records.run import RunRecord
from paceline.records.scaling import Mode
from paceline.testing.builders import a_model, a_request
from paceline.testing.stores import a_version


class FakeHub:
    """Finds one model."""

    def __init__(self) -> None:
        self.model = a_model()

    def find(self, name: str) -> Model:
        return self.model


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """With two versions of the pipeline `small`."""
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    store, hub = MemoryStore(), FakeHub()
    for run_id in ("r1", "r2"):
        run = RunRecord(
            run_id=run_id,
            request=a_request(),
            model=hub.model,
            software_version="0",
            created_at_utc="",
        )
        store.create_run(run)
        store.add_version(a_version(run_id))
    vars(shop).update(store=store, hub=hub)
    return shop


def test_a_target_is_a_pipeline_with_or_without_a_version() -> None:
    assert read_target("demo") == ("demo", None)
    assert read_target("demo@3") == ("demo", 3)
    for wrong in ("demo@", "demo@x", "demo@-1"):
        with pytest.raises(SpecError):
            read_target(wrong)


def test_the_current_version_is_deployed_under_the_pipelines_name(shop: Workshop) -> None:
    placed = deploy(DeployOrder(pipeline="small"), shop)
    assert (placed.name, placed.version, placed.revision) == ("small", 2, 1)
    (line,) = shop.store.deployments.log_of("small")
    assert line.because == "version 2 is wanted"


def test_who_deploys_what_is_noted_and_what_is_refused_is_not(shop: Workshop) -> None:
    deploy(DeployOrder(pipeline="small", max_replicas=7), shop, actor="key-1")
    deploy(DeployOrder(pipeline="small", version=1), shop)
    deploy(DeployOrder(pipeline="small", mode=Mode.ACTIVE), shop)
    with pytest.raises(SpecError):
        deploy(DeployOrder(pipeline="small", min_replicas=8), shop)
    remove("small", shop)
    with pytest.raises(SpecError):
        remove("small", shop)
    assert [(one.actor, one.kind, one.detail) for one in shop.store.events()] == [
        ("key-1", "deployed", "version 2 is wanted"),
        ("key-1", "policy-changed", "max_replicas 3 -> 7"),
        ("local", "deployed", "version 2 -> 1 is wanted"),
        ("local", "deployed", "version 1 -> 2 is wanted"),
        ("local", "policy-changed", "mode flex -> active"),
        ("local", "undeployed", "version 2 is no longer wanted"),
    ]
    assert {one.subject for one in shop.store.events()} == {"small"}


def test_going_back_to_a_version_brings_its_policy_back(shop: Workshop) -> None:
    deploy(DeployOrder(pipeline="small", version=1, max_replicas=2, hold_s=5.0), shop)
    deploy(DeployOrder(pipeline="small", version=2, max_replicas=9), shop)
    said: list[str] = []
    back = deploy(DeployOrder(pipeline="small", version=1, mode=Mode.ACTIVE), shop, say=said.append)
    assert (back.policy.bounds.max_replicas, back.policy.mode) == (2, Mode.ACTIVE)
    assert back.hold_s == 5.0
    assert said == ["version 2 -> 1 is wanted; max_replicas 9 -> 2, mode flex -> active"]
    other = deploy(DeployOrder(pipeline="small", version=2, name="other"), shop)
    assert other.policy.bounds.max_replicas == 3, "another endpoint's policy is its own"


def test_a_budget_that_cannot_be_kept_is_refused_with_both_sums(shop: Workshop) -> None:
    order = DeployOrder(pipeline="small", min_replicas=2, budget_usd_per_hour=0.15)
    with pytest.raises(SpecError) as caught:
        deploy(order, shop)
    assert caught.value.why == "2 x 0.1 USD an hour = 0.2 USD"
    for nonsense in (math.nan, math.inf):
        with pytest.raises(SpecError, match="no budget"):
            deploy(replace(order, budget_usd_per_hour=nonsense), shop)
    placed = deploy(replace(order, budget_usd_per_hour=0.2), shop)
    assert placed.policy.bounds.budget_usd_per_hour == 0.2
    free = replace(a_request(), price_usd_per_hour=None)
    shop.store.create_run(replace(shop.store.run("r1"), run_id="r3", request=free))
    shop.store.add_version(a_version("r3"))
    with pytest.raises(SpecError, match="cannot be kept"):
        deploy(replace(order, version=3), shop)


def test_what_is_not_said_stays(shop: Workshop) -> None:
    order = DeployOrder(
        pipeline="small",
        mode=Mode.ACTIVE,
        max_replicas=7,
        hold_s=5.0,
        answer_timeout_s=900.0,
        canary=Canary(share=0.1),
        unknown_parameters=UnknownParameters.STRICT,
        prefix_affine=True,
    )
    deploy(order, shop)
    placed = deploy(DeployOrder(pipeline="small", version=1, idle_timeout_s=9.0), shop)
    assert (placed.version, placed.hold_s, placed.canary) == (1, 5.0, None)
    assert placed.answer_timeout_s == 900.0
    assert shop.store.events()[0].detail == "version 2 is wanted, canary with 10 % of requests"
    assert (placed.unknown_parameters, placed.prefix_affine) == (UnknownParameters.STRICT, True)
    assert placed.policy.mode is Mode.ACTIVE
    assert (placed.policy.bounds.max_replicas, placed.policy.idle_timeout_s) == (7, 9.0)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (DeployOrder(pipeline="large"), Code.UNKNOWN_NAME),
        (DeployOrder(pipeline="small", version=3), Code.UNKNOWN_NAME),
        (DeployOrder(pipeline="small", name="No Name"), Code.BAD_OPTION),
        (DeployOrder(pipeline="small", min_replicas=4), Code.CONTRADICTION),
        (DeployOrder(pipeline="small", answer_timeout_s=0.0), Code.BAD_OPTION),
        (DeployOrder(pipeline="small", target_in_flight=0.0), Code.BAD_OPTION),
        (DeployOrder(pipeline="small", target_in_flight=math.inf), Code.BAD_OPTION),
        (DeployOrder(pipeline="small", aliases=("No Name",)), Code.BAD_OPTION),
        (DeployOrder(pipeline="small", aliases=("small",)), Code.CONTRADICTION),
    ],
)
def test_what_cannot_be_wanted_is_refused_and_nothing_is_stored(
    shop: Workshop, order: DeployOrder, code: Code
) -> None:
    with pytest.raises(SpecError) as caught:
        deploy(order, shop)
    assert caught.value.code is code
    assert shop.store.deployments.endpoints() == ()


def test_aliases_stay_until_others_are_said(shop: Workshop) -> None:
    placed = deploy(DeployOrder(pipeline="small", aliases=("chat", "best", "chat")), shop)
    assert placed.aliases == ("chat", "best")
    assert deploy(DeployOrder(pipeline="small"), shop).aliases == ("chat", "best")
    assert deploy(DeployOrder(pipeline="small", aliases=()), shop).aliases == ()
    assert [line.because for line in shop.store.deployments.log_of("small")] == [
        "version 2 is wanted, also as chat best",
        "version 2 is wanted",
        "version 2 is wanted, also as nothing else",
    ]


def test_an_alias_that_is_taken_is_refused_with_both_names(shop: Workshop) -> None:
    deploy(DeployOrder(pipeline="small", name="one", aliases=("chat",)), shop)
    with pytest.raises(SpecError, match="'two'") as caught:
        deploy(DeployOrder(pipeline="small", name="two", aliases=("chat",)), shop)
    assert "'one'" in caught.value.why
    remove("one", shop)
    assert deploy(DeployOrder(pipeline="small", name="two", aliases=("chat",)), shop).aliases


def test_another_pipeline_does_not_take_a_name(shop: Workshop) -> None:
    deploy(DeployOrder(pipeline="small", name="chat"), shop)
    kept = shop.store.deployments
    kept.put_endpoint(replace(kept.endpoint("chat"), pipeline="large"))
    with pytest.raises(SpecError, match="another pipeline"):
        deploy(DeployOrder(pipeline="small", name="chat"), shop)


def test_a_model_that_changed_since_it_was_measured_is_refused(shop: Workshop) -> None:
    hub = FakeHub()
    changed = FileHash(path="model.safetensors", size_bytes=1, sha256="cd")
    hub.model = replace(hub.model, files=(changed,))
    vars(shop)["hub"] = hub
    with pytest.raises(SpecError) as caught:
        deploy(DeployOrder(pipeline="small"), shop)
    assert caught.value.code is Code.BAD_MODEL


def status(endpoint: Endpoint, state: EndpointState) -> EndpointStatus:
    return EndpointStatus(
        name=endpoint.name,
        revision=endpoint.revision,
        state=state,
        because="",
        updated_at_utc="",
        stable=1,
        ready=1,
    )


def test_who_waits_is_told_that_nobody_serves(shop: Workshop) -> None:
    placed = deploy(DeployOrder(pipeline="small"), shop)
    before_s = shop.clock.monotonic_s()
    with pytest.raises(CapacityError, match="no `paceline serve` runs"):
        wait_settled(placed, shop, on_change=lambda _: None)
    assert shop.clock.monotonic_s() - before_s >= SERVED_WITHIN_S, "one may be starting"


def test_who_waits_has_what_served_and_is_at_zero_already(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_served", lambda _: True)
    placed = deploy(DeployOrder(pipeline="small"), shop)
    idle = replace(status(placed, EndpointState.IDLE), stable=placed.version, ready=0)
    shop.store.deployments.save_status(idle)
    assert wait_settled(placed, shop, on_change=lambda _: None) == idle


def test_who_waits_sees_a_serve_that_comes_later(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = deploy(DeployOrder(pipeline="small"), shop)
    served_from_s = shop.clock.monotonic_s() + SERVED_WITHIN_S / 2

    def served(_: Path) -> bool:
        if shop.clock.monotonic_s() < served_from_s:
            return False
        if shop.clock.monotonic_s() > served_from_s + 10 * SERVED_WITHIN_S:  # a long start
            shop.store.deployments.save_status(status(placed, EndpointState.LIVE))
        return True

    monkeypatch.setattr(module, "is_served", served)
    seen: list[EndpointState] = []
    found = wait_settled(placed, shop, on_change=lambda one: seen.append(one.state))
    assert (found.state, seen) == (EndpointState.LIVE, [EndpointState.LIVE])
