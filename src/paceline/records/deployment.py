"""Endpoints and their replicas: what is wanted, what is seen, and what happened to them.

`Endpoint` is the user's word and written by commands; `EndpointStatus` and everything about
replicas is written by the one process that serves. Times are ISO 8601 in UTC, for people.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from paceline.errors import Code, SpecError
from paceline.records.gateway import UnknownParameters
from paceline.records.scaling import PacelinePolicy
from paceline.records.trial import ColdStart


class ReplicaState(StrEnum):
    """Where a replica is; why it went there is the step's `because`."""

    QUEUED = "queued"
    """Decided on; waits for a device or for the pause after a failure."""
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    """Gets no new request and finishes what it has."""
    STOPPING = "stopping"
    ENDED = "ended"


class Phase(StrEnum):
    """What a starting replica is doing, in this order; `ColdStart` has the time of each."""

    ENVIRONMENT = "environment"
    WEIGHTS = "weights"
    ENGINE = "engine"
    WARM_UP = "warm-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A new version beside the old one until there is enough to decide on.

    `share` of new requests (0–1) goes to it. It is decided after `at_least_s` and `requests`
    answers, or sooner when it is clearly worse.
    """

    share: float
    at_least_s: float = 300.0
    requests: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is wanted: a version of a pipeline under a name, and how it is kept.

    `revision` is given by the store and rises with every change. A request waits at most `hold_s`
    for a replica, at most `queue_length` of them; a replica that goes may finish for
    `drain_timeout_s`. An answer that does not stream may take `answer_timeout_s`; `None` is 600 s,
    for pictures by how long they were measured to take. With `prefix_affine`, requests that
    begin alike go to the same replica.
    """

    name: str
    pipeline: str
    version: int
    policy: PacelinePolicy
    deployed_at_utc: str
    workspace: str = "default"
    canary: Canary | None = None
    hold_s: float = 120.0
    queue_length: int = 256
    drain_timeout_s: float = 300.0
    answer_timeout_s: float | None = None
    aliases: tuple[str, ...] = ()
    """Further names that clients may send as `model`; see `check_names`."""
    share_device: bool = False
    """Whether it may run on a device that a running optimization measures on."""
    unknown_parameters: UnknownParameters = UnknownParameters.PASS
    prefix_affine: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedPolicy:
    """How a version was to be scaled when an endpoint was told to serve it; never changed."""

    pipeline: str
    version: int
    endpoint: str
    policy: PacelinePolicy
    at_utc: str


def policy_of(endpoint: Endpoint) -> DeployedPolicy:
    """What an endpoint says of the version that it wants."""
    return DeployedPolicy(
        pipeline=endpoint.pipeline,
        version=endpoint.version,
        endpoint=endpoint.name,
        policy=endpoint.policy,
        at_utc=endpoint.deployed_at_utc,
    )


def check_names(wanted: Endpoint, known: Iterable[Endpoint]) -> None:
    """Within a workspace, a name or alias leads to one endpoint. Raises SpecError for the second.

    Names of endpoints are unique beyond that, in all workspaces, as stores number by them.
    """
    if wanted.name in wanted.aliases:
        raise SpecError(
            Code.CONTRADICTION,
            f"{wanted.name!r} cannot be an alias of itself",
            why="it is the name of the endpoint already",
            fix="leave that --alias out",
        )
    asked = {wanted.name, *wanted.aliases}
    for other in known:
        if other.name == wanted.name or other.workspace != wanted.workspace:
            continue
        for taken in sorted(asked & {other.name, *other.aliases}):
            what = "its name" if taken == other.name else "an alias of it"
            raise SpecError(
                Code.CONTRADICTION,
                f"{taken!r} cannot lead to endpoint {wanted.name!r}",
                why=f"in workspace {wanted.workspace!r} it leads to {other.name!r}: it is {what}",
                fix=f"choose another name, or deploy {other.name!r} without it first",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedVersion:
    """A version that could not be kept up, or that a canary showed to be worse.

    It holds for the deployment with this `revision`: deploying again tries again.
    """

    version: int
    revision: int
    phase: str
    because: str
    at_utc: str


class EndpointState(StrEnum):
    """In one word, for people."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    ROLLING = "rolling"
    CANARY = "canary"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A cold start as it is announced: the share done (0–1) and the seconds left."""

    phase: Phase
    progress: float
    eta_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """What is seen of an endpoint; `revision` tells of which deployment.

    `stable` is the version that last carried all traffic, the one to fall back to; `None` before
    the first did. `replicas` is what the autoscaler wants.
    """

    name: str
    revision: int
    state: EndpointState
    because: str
    updated_at_utc: str
    stable: int | None = None
    replicas: int = 0
    ready: int = 0
    starting: int = 0
    progress: Progress | None = None
    failed: tuple[FailedVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRecord:
    """One replica from the decision to its end. `cold_start` is `None` until it was admitted.

    `devices` are those it was given, where the machine has several; it has `device_count` in any
    case, from `launched_at_utc` on (`None` in records of earlier builds), and costs `usd_per_hour`
    with all of them (`None`: unknown).
    """

    replica_id: str
    endpoint: str
    pipeline: str
    version: int
    accelerator: str
    state: ReplicaState
    created_at_utc: str
    port: int | None = None
    cold_start: ColdStart | None = None
    ended_at_utc: str | None = None
    devices: tuple[str, ...] = ()
    device_count: int = 1
    launched_at_utc: str | None = None
    usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStep:
    """One transition, stored before it is acted on; `before` is what the writer expects."""

    replica_id: str
    before: ReplicaState
    event: str
    after: ReplicaState
    because: str
    at_utc: str


class LogKind(StrEnum):
    """What a line of an endpoint's log is about."""

    DEPLOY = "deploy"
    SCALE = "scale"
    ROLLOUT = "rollout"
    CANARY = "canary"
    REPLICA = "replica"
    FAILED = "failed"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A decision about an endpoint with its reason; `number` is given by the store and rises."""

    endpoint: str
    at_utc: str
    kind: LogKind
    because: str
    version: int | None = None
    replicas_before: int | None = None
    replicas_after: int | None = None
    number: int | None = None
