"""The seam between the gateway and its supervisor: what the gateway is told, and what it tells.

The supervisor sends one whole `Table` whenever anything changed; the gateway needs nothing else to
serve and goes on with the last one while the supervisor is away. Back come `Pulse`s, `Wake`s and
one `UsageLine` per request. Unless a field says otherwise, times are seconds since 1970 (UTC).
"""

from dataclasses import dataclass
from enum import StrEnum


class UnknownParameters(StrEnum):
    """What becomes of request fields that the OpenAI API does not have."""

    PASS = "pass"  # noqa: S105 - not a password
    DROP = "drop"
    STRICT = "strict"


class Ended(StrEnum):
    """How a request ended, for accounts."""

    __hash__ = str.__hash__  # that of enums is written in Python, and every answer is counted

    BEGAN = "began"
    """It was given to a replica; a line with another end follows unless the gateway was killed."""
    MOVED = "moved"
    """The replica failed it, and it was given to another one; as for `BEGAN`, the end follows."""
    OK = "ok"
    ABORTED = "aborted"
    """The client left before the end."""
    FAILED = "failed"
    """The engine did not answer, or broke off."""
    REJECTED = "rejected"
    """The engine answered that it will not: a 4xx such as the 422 of a bound. Nobody failed."""
    REFUSED = "refused"
    """It never reached an engine: limits, no capacity, malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """What an inference key may do. The key itself is nowhere: `digest` is its SHA-256, in hex.

    `endpoints` `None` is every endpoint of the workspace. A limit of `None` does not apply.
    `budget_left_usd` is what the month still has when the table is made.
    """

    digest: str
    key_id: str
    workspace: str
    endpoints: tuple[str, ...] | None = None
    expires_at_s: float | None = None
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    budget_left_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRule:
    """What all keys of a workspace may use together; each of them also has its own limits."""

    name: str
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    budget_left_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRoute:
    """A replica that answered its warm-up.

    `capacity` is the concurrency measured for its variant, or what the user aims at if that is
    more; no more requests are given to it.
    `model_name` is what the engine wants to be asked for. A `draining` replica gets no new request.
    `admitted_at_s` starts its growing share.
    """

    replica_id: str
    host: str
    port: int
    model_name: str
    version: int
    capacity: int
    admitted_at_s: float
    usd_per_hour: float = 0.0
    draining: bool = False
    share: float | None = None
    """Of new requests, for a canary; `None` is by capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """What a client is told while no replica is ready; `eta_s` counts from `at_s`."""

    phase: str
    progress: float
    eta_s: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRoute:
    """One endpoint: its names, its replicas, and how requests wait for them.

    At most `queue_length` requests wait, each at most `hold_s`. `routes` are paths such as
    `/v1/chat/completions`. `failed` says why there can be no replica. A stream's first byte
    may take `first_byte_timeout_s`, an answer that comes whole `answer_timeout_s`: an engine sends
    nothing of it before it is done.
    """

    name: str
    workspace: str
    version: int
    routes: tuple[str, ...]
    replicas: tuple[ReplicaRoute, ...]
    aliases: tuple[str, ...] = ()
    unknown_parameters: UnknownParameters = UnknownParameters.PASS
    prefix_affine: bool = False
    queue_length: int = 256
    hold_s: float = 120.0
    connect_timeout_s: float = 2.0
    first_byte_timeout_s: float = 120.0
    answer_timeout_s: float = 600.0
    idle_timeout_s: float = 60.0
    usd_per_million_input_tokens: float = 0.0
    usd_per_million_output_tokens: float = 0.0
    usd_per_image: float = 0.0
    usd_per_million_embedded_tokens: float = 0.0
    """Of requests for embeddings, whose input tokens cost this and nothing else."""
    starting: Starting | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything the gateway serves by. `revision` rises with every table of one supervisor.

    Without `keys_required` a request needs no key; that is for loopback only. Workspaces without
    a rule have no limit but those of their keys.
    """

    revision: int
    endpoints: tuple[EndpointRoute, ...]
    keys: tuple[KeyRule, ...] = ()
    keys_required: bool = True
    workspaces: tuple[WorkspaceRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPulse:
    """A replica as the gateway sees it. `ejected` is the breaker's word, not that of its health."""

    replica_id: str
    in_flight: int
    ejected: bool
    idle_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPulse:
    """Since the last pulse: `arrivals`, `ended` by how, `waits_s` of those that left the queue.

    A request that did not have to wait counts as a wait of zero. Of `waits_s` and `ttft_s` at most
    1,000 each are sent.
    """

    name: str
    in_flight: int
    queued: int
    oldest_wait_s: float
    arrivals: int
    ended: tuple[tuple[Ended, int], ...]
    waits_s: tuple[float, ...]
    ttft_s: tuple[tuple[int, float], ...]
    """Version and time to the first byte of output, per stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Sent a few times a second. `usage_waiting_bytes` is usage that the disk has not taken yet."""

    revision: int
    at_s: float
    endpoints: tuple[EndpointPulse, ...]
    replicas: tuple[ReplicaPulse, ...]
    usage_waiting_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Sent at once: a request waits at an endpoint that has no replica."""

    endpoint: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """One line of the usage spool; appended before the client sees the end of its answer.

    Times in seconds: `queue_s` at the gateway with a replica ready, `cold_s` without any,
    `execution_s` in the replica, `ttft_s` from the arrival to the first byte of a stream (`None`:
    there was none). Tokens are the engine's `usage`, or counted from the chunks that were passed on
    when the stream ended early. `trace_parent` is the client's, as W3C Trace Context has it.

    A request that a replica failed before the client saw anything has the version of that replica
    as `failed_version`: on its `MOVED` line, or on its end when no other was given it any more.
    """

    request_id: str
    at_s: float
    workspace: str
    endpoint: str
    version: int
    replica_id: str | None
    key_id: str | None
    route: str
    status: int
    ended: Ended
    queue_s: float = 0.0
    cold_s: float = 0.0
    execution_s: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    ttft_s: float | None = None
    trace_parent: str | None = None
    failed_version: int | None = None
