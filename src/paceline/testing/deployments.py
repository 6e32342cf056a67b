"""What every store must do with endpoints and replicas."""

from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.ports.deployments import Deployments
from paceline.ports.store import StaleWrite, Store
from paceline.records.deployment import (
    Canary,
    Endpoint,
    EndpointState,
    EndpointStatus,
    FailedVersion,
    LogKind,
    LogLine,
    Phase,
    Progress,
    ReplicaRecord,
    ReplicaState,
    ReplicaStep,
    policy_of,
)
from paceline.records.scaling import Bounds, PacelinePolicy
from paceline.records.trial import ColdStart

NOON = "2026-01-01T12:00:00+00:00"


def an_endpoint(name: str = "demo", *, version: int = 1, pipeline: str = "demo") -> Endpoint:
    """Wanted, with everything that can be set."""
    return Endpoint(
        name=name,
        pipeline=pipeline,
        version=version,
        policy=PacelinePolicy(bounds=Bounds(max_replicas=2), idle_timeout_s=30.0),
        deployed_at_utc=NOON,
        canary=Canary(share=0.05),
        aliases=(f"{name}-latest",),
    )


def a_status(endpoint: Endpoint) -> EndpointStatus:
    """Seen, with everything that can be seen."""
    failed = FailedVersion(version=2, revision=1, phase="engine", because="exit 1", at_utc=NOON)
    return EndpointStatus(
        name=endpoint.name,
        revision=endpoint.revision,
        state=EndpointState.STARTING,
        because="first request",
        updated_at_utc=NOON,
        stable=1,
        replicas=1,
        starting=1,
        progress=Progress(phase=Phase.ENGINE, progress=0.5, eta_s=3.0),
        failed=(failed,),
    )


def a_replica(replica_id: str = "demo-1-ab12", *, version: int = 1) -> ReplicaRecord:
    """Decided on and not begun."""
    return ReplicaRecord(
        replica_id=replica_id,
        endpoint="demo",
        pipeline="demo",
        version=version,
        accelerator="cpu",
        state=ReplicaState.QUEUED,
        created_at_utc=NOON,
    )


def a_replica_step(replica: ReplicaRecord, after: ReplicaState) -> ReplicaStep:
    """Its next transition."""
    return ReplicaStep(
        replica_id=replica.replica_id,
        before=replica.state,
        event="launched",
        after=after,
        because="wanted",
        at_utc=NOON,
    )


class DeploymentsContract:
    """Subclass it and give a fixture `store` that yields an empty store."""

    @pytest.fixture
    def kept(self, store: Store) -> Deployments:
        """The part of the store under test."""
        return store.deployments

    def test_an_endpoint_reads_back_with_its_revision(self, kept: Deployments) -> None:
        placed = kept.put_endpoint(an_endpoint())
        assert placed == replace(an_endpoint(), revision=1)
        assert kept.endpoint("demo") == placed
        again = kept.put_endpoint(replace(placed, version=2))
        assert (again.version, again.revision) == (2, 2)
        kept.put_endpoint(an_endpoint("another"))
        assert [one.name for one in kept.endpoints()] == ["another", "demo"]

    def test_a_change_that_expects_another_revision_does_nothing(self, kept: Deployments) -> None:
        with pytest.raises(StaleWrite):
            kept.put_endpoint(an_endpoint(), expected=1)
        placed = kept.put_endpoint(an_endpoint(), expected=0)
        for expected in (0, 2):
            with pytest.raises(StaleWrite):
                kept.put_endpoint(an_endpoint(version=9), expected=expected)
        assert kept.endpoint("demo") == placed

    @pytest.mark.parametrize(
        ("name", "aliases"), [("b", ("demo",)), ("b", ("x", "demo-latest")), ("demo-latest", ())]
    )
    def test_a_name_in_a_workspace_leads_to_one_endpoint(
        self, kept: Deployments, name: str, aliases: tuple[str, ...]
    ) -> None:
        kept.put_endpoint(an_endpoint())
        second = replace(an_endpoint(name), aliases=aliases)
        with pytest.raises(SpecError) as caught:
            kept.put_endpoint(second)
        assert caught.value.code is Code.CONTRADICTION
        assert f"endpoint {name!r}" in caught.value.what
        assert "leads to 'demo'" in caught.value.why
        assert [one.name for one in kept.endpoints()] == ["demo"]
        kept.put_endpoint(replace(second, workspace="other"))
        kept.remove_endpoint("demo")
        assert kept.put_endpoint(second).aliases == aliases, "they went with their endpoint"

    def test_an_endpoint_keeps_and_changes_its_own_names(self, kept: Deployments) -> None:
        placed = kept.put_endpoint(an_endpoint())
        assert kept.put_endpoint(placed).aliases == ("demo-latest",)
        assert kept.put_endpoint(replace(placed, aliases=())).aliases == ()
        with pytest.raises(SpecError, match="alias of itself"):
            kept.put_endpoint(replace(placed, aliases=("demo",)))

    def test_a_version_keeps_the_policies_it_was_deployed_with(self, kept: Deployments) -> None:
        first, other = an_endpoint(), replace(an_endpoint("other"), policy=PacelinePolicy())
        scaled = replace(first, policy=PacelinePolicy(bounds=Bounds(max_replicas=9)))
        second = replace(first, version=2)
        for endpoint in (first, first, scaled, second, first, other):
            kept.put_endpoint(endpoint)
        kept.put_endpoint(an_endpoint("elsewhere", pipeline="another"))
        kept.remove_endpoint("demo")
        wanted = (first, scaled, second, first, other)
        assert kept.policies_of("demo") == tuple(policy_of(one) for one in wanted)

    def test_an_unknown_endpoint_is_an_error_that_names_the_known(self, kept: Deployments) -> None:
        kept.put_endpoint(an_endpoint())
        for ask in (kept.endpoint, kept.remove_endpoint):
            with pytest.raises(SpecError, match="demo") as caught:
                ask("dmeo")
            assert caught.value.code is Code.UNKNOWN_NAME

    def test_what_is_seen_goes_with_its_endpoint(self, kept: Deployments) -> None:
        placed = kept.put_endpoint(an_endpoint())
        assert kept.status("demo") is None
        kept.save_status(a_status(placed))
        assert kept.status("demo") == a_status(placed)
        kept.put_endpoint(replace(placed, version=2))
        assert kept.status("demo") == a_status(placed)

    def test_a_removed_endpoint_is_gone_and_its_name_goes_on_counting(
        self, kept: Deployments
    ) -> None:
        placed = kept.put_endpoint(an_endpoint())
        kept.save_status(a_status(placed))
        kept.remove_endpoint("demo")
        kept.save_status(a_status(placed))
        assert kept.endpoints() == ()
        assert kept.status("demo") is None
        assert kept.put_endpoint(an_endpoint(), expected=0).revision == 2
        assert kept.status("demo") is None

    def test_a_replica_is_stored_once_and_moved_from_where_it_is(self, kept: Deployments) -> None:
        queued = a_replica()
        kept.add_replica(queued)
        with pytest.raises(StaleWrite):
            kept.add_replica(queued)
        step = a_replica_step(queued, ReplicaState.STARTING)
        cold = ColdStart(environment_s=None, weights_s=0.5, engine_s=1.0, warmup_s=0.1)
        starting = replace(queued, state=ReplicaState.STARTING, port=20_001, cold_start=cold)
        kept.move_replica(step, starting)
        with pytest.raises(StaleWrite):
            kept.move_replica(step, queued)
        with pytest.raises(StaleWrite):
            kept.move_replica(replace(step, replica_id="other"), starting)
        assert kept.replicas() == (starting,)
        assert kept.replica_steps(queued.replica_id) == (step,)

    def test_replicas_are_found_by_what_they_serve(self, kept: Deployments) -> None:
        for replica_id, version in (("a", 1), ("b", 2), ("c", 2)):
            kept.add_replica(a_replica(replica_id, version=version))
        ended = replace(a_replica("b", version=2), state=ReplicaState.ENDED)
        kept.move_replica(a_replica_step(a_replica("b"), ReplicaState.ENDED), ended)
        assert [one.replica_id for one in kept.replicas()] == ["c", "b", "a"]
        assert [one.replica_id for one in kept.replicas(live=True)] == ["c", "a"]
        assert [one.replica_id for one in kept.replicas(pipeline="demo", version=2)] == ["c", "b"]
        assert [one.replica_id for one in kept.replicas(endpoint="demo", limit=1)] == ["c"]
        assert kept.replicas(endpoint="other") == ()

    def test_the_log_is_numbered_and_can_be_followed(self, kept: Deployments) -> None:
        line = LogLine(
            endpoint="demo",
            at_utc=NOON,
            kind=LogKind.SCALE,
            because="a request waits",
            replicas_before=0,
            replicas_after=1,
        )
        for endpoint in ("demo", "other", "demo"):
            kept.log(replace(line, endpoint=endpoint))
        first, second = kept.log_of("demo")
        assert replace(first, number=None) == line
        assert (first.number or 0) < (second.number or 0)
        assert kept.log_of("demo", after=first.number or 0) == (second,)
        assert kept.log_of("demo", limit=1) == (second,)
