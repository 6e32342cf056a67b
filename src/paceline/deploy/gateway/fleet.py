"""What the gateway knows while it runs: endpoints, replicas and keys of the last table, with
their counts. A new table changes what is known; what is under way goes on with what it has.
"""

from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import orjson

from paceline.deploy.gateway.breaker import CLOSED, Breaker, BreakerState, may_eject
from paceline.deploy.gateway.limits import KeyMeter, WorkspaceMeter
from paceline.deploy.gateway.routes import EMBEDDINGS, Route
from paceline.deploy.gateway.sse import ModelNames
from paceline.deploy.gateway.tally import EndpointTally
from paceline.deploy.gateway.upstream import Pool
from paceline.deploy.gateway.waiting import FairQueue, ServiceRate, Waits
from paceline.records.gateway import EndpointRoute, ReplicaRoute, Table, WorkspaceRule

FADE: Final = 0.95
BYTES_PER_TOKEN: Final = 4.0
TOKENS_PER_MILLION: Final = 1e6
W = TypeVar("W", bound=Waits)


class Replica:
    """A replica and what this gateway has to do with it."""

    __slots__ = (
        "_heads",
        "_names",
        "admitted_at_s",
        "answer_head",
        "breaker",
        "capacity",
        "closed",
        "gone",
        "idle_since_s",
        "in_flight",
        "last_byte_s",
        "model_name",
        "pool",
        "replica_id",
        "route",
        "share",
        "usage_fields",
    )

    def __init__(self, route: ReplicaRoute, now_s: float, wall_s: float) -> None:
        self.breaker = Breaker()
        self.pool = Pool(route.host, route.port)
        self.in_flight = 0
        self.last_byte_s = now_s
        self.idle_since_s = now_s
        self.gone = False
        self.replica_id = route.replica_id
        # Its age counts on from here by a clock that does not jump.
        self.admitted_at_s = now_s - max(wall_s - route.admitted_at_s, 0.0)
        self.follow(route)

    def follow(self, route: ReplicaRoute) -> None:
        """What a table says of it now."""
        self.route = route
        self.capacity = route.capacity
        self.model_name = orjson.dumps(route.model_name)
        self.share = route.share
        self._heads: dict[str, bytes] = {}
        self._names: dict[str, ModelNames] = {}
        self.usage_fields: dict[tuple[str | None, str], bytes] = {}
        self.answer_head = (
            f"x-paceline-version: {route.version}\r\nx-paceline-replica: {route.replica_id}\r\n"
        ).encode()
        self.note_state()

    def note_state(self) -> None:
        """`closed` follows the table and the breaker."""
        self.closed = (
            self.gone
            or self.route.draining
            or self.breaker.state is BreakerState.OPEN
            or (self.breaker.state is BreakerState.TRYING and self.in_flight > 0)
        )

    def take(self) -> None:
        """One more request is given to it."""
        self.in_flight += 1
        if self.breaker.state is not CLOSED:
            self.note_state()

    def request_head(self, path: str) -> bytes:
        """The head of a request to it, up to the length of the body."""
        head = self._heads.get(path)
        if head is None:
            address = f"{self.route.host}:{self.route.port}"
            head = self._heads[path] = (
                f"POST {path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n"
                "content-type: application/json\r\ncontent-length: "
            ).encode()
        return head

    def names(self, asked: str) -> ModelNames:
        """How it calls the model, against what clients call it."""
        names = self._names.get(asked)
        if names is None:
            names = self._names[asked] = ModelNames(self.route.model_name, asked)
        return names


class Prices:
    """What an endpoint takes for an answer, or for what one may cost at most."""

    __slots__ = ("_embedded_usd", "_image_usd", "_input_usd", "_output_usd")

    def __init__(self, route: EndpointRoute) -> None:
        self._input_usd = route.usd_per_million_input_tokens / TOKENS_PER_MILLION
        self._output_usd = route.usd_per_million_output_tokens / TOKENS_PER_MILLION
        self._embedded_usd = route.usd_per_million_embedded_tokens / TOKENS_PER_MILLION
        self._image_usd = route.usd_per_image

    def usd(self, asked: Route, input_tokens: int, output_tokens: int, images: int) -> float:
        """Of embeddings, the input tokens at a price of their own and nothing else."""
        if asked is EMBEDDINGS:
            return input_tokens * self._embedded_usd
        return (
            input_tokens * self._input_usd
            + output_tokens * self._output_usd
            + images * self._image_usd
        )


class Endpoint(Generic[W]):
    """An endpoint with its replicas, its queue and its counts."""

    __slots__ = (
        "answer_timeout_s",
        "first_byte_timeout_s",
        "idle_timeout_s",
        "prices",
        "queue",
        "rate",
        "ratios",
        "ready_since_s",
        "replicas",
        "route",
        "tally",
        "woken_s",
    )

    def __init__(self, route: EndpointRoute) -> None:
        self.follow(route)
        self.queue: FairQueue[W] = FairQueue()
        self.rate = ServiceRate()
        self.tally = EndpointTally()
        self.ratios = Ratios()
        self.replicas: list[Replica] = []
        """Those of the table."""
        self.ready_since_s: float | None = None
        """`None` while there is no replica for new requests."""
        self.woken_s = float("-inf")

    def follow(self, route: EndpointRoute) -> None:
        """What a table says of it now; what every request needs of it is kept at hand."""
        self.route = route
        self.answer_timeout_s = route.answer_timeout_s
        self.first_byte_timeout_s = route.first_byte_timeout_s
        self.idle_timeout_s = route.idle_timeout_s
        self.prices = Prices(route)

    @property
    def in_flight(self) -> int:
        return sum(replica.in_flight for replica in self.replicas)

    def note_ready(self, now_s: float) -> None:
        """Whether any replica takes new requests, now or as soon as it has room."""
        if all(replica.route.draining for replica in self.replicas):
            self.ready_since_s = None
        elif self.ready_since_s is None:
            self.ready_since_s = now_s

    def cold_s(self, queued_at_s: float, now_s: float) -> float:
        """How much of a wait until now was for a first replica."""
        ready_s = now_s if self.ready_since_s is None else self.ready_since_s
        return max(ready_s - queued_at_s, 0.0)

    def failed(self, replica: Replica, now_s: float) -> bool:
        """A failure of a replica; `True` when it was put out for it."""
        out = sum(one.breaker.state is BreakerState.OPEN for one in self.replicas)
        ejected = replica.breaker.failed(now_s, may_eject=may_eject(out, len(self.replicas)))
        replica.note_state()
        return ejected


class Ratios:
    """How this endpoint's bytes and events relate to tokens, learned from complete answers.

    Used to count what an answer that broke off cost, and to reserve before one begins.
    """

    __slots__ = ("_events", "_input_bytes", "_input_tokens", "_output_tokens")

    def __init__(self) -> None:
        self._input_bytes = self._input_tokens = 0.0
        self._events = self._output_tokens = 0.0

    def learn_input(self, input_bytes: int, input_tokens: int) -> None:
        """From a whole answer with usage; older ones fade, so that a new version is followed."""
        self._input_bytes = self._input_bytes * FADE + input_bytes
        self._input_tokens = self._input_tokens * FADE + input_tokens

    def learn_output(self, events: int, output_tokens: int) -> None:
        """From a whole stream."""
        self._events = self._events * FADE + events
        self._output_tokens = self._output_tokens * FADE + output_tokens

    def input_tokens(self, input_bytes: int) -> int:
        """About how many tokens a body has; by English text until there was an answer."""
        if self._input_bytes <= 0:
            return int(input_bytes / BYTES_PER_TOKEN + 0.5)
        return int(input_bytes * self._input_tokens / self._input_bytes + 0.5)

    def output_tokens(self, events: int) -> int:
        """How many tokens so many events brought; one each until a stream was whole."""
        if self._events <= 0:
            return events
        return int(events * self._output_tokens / self._events + 0.5)


class Fleet(Generic[W]):
    """Everything of the last table by the names that requests use."""

    def __init__(self) -> None:
        self.table = Table(revision=0, endpoints=(), keys_required=True)
        self.endpoints: dict[tuple[str, str], Endpoint[W]] = {}
        self.meters: dict[str, KeyMeter] = {}
        self._workspaces: dict[str, WorkspaceMeter] = {}
        self.replicas: dict[str, Replica] = {}
        self._by_name: dict[tuple[str, str], Endpoint[W]] = {}
        self._by_bare_name: dict[str, Endpoint[W]] = {}

    def follow(self, table: Table, *, now_s: float, wall_s: float) -> list[Endpoint[W]]:
        """Serve by this table; the endpoints that are in it no more, with those who wait there.

        `wall_s` (UTC) is needed once per replica, to tell how old it is.
        """
        self.table = table
        self.meters = _kept(
            self.meters,
            {rule.digest: rule for rule in table.keys},
            make=lambda rule: KeyMeter(rule, now_s),
            follow=lambda meter, rule: meter.follow(rule, now_s),
        )
        self._follow_workspaces(table, now_s)
        wanted = {(route.workspace, route.name): route for route in table.endpoints}
        lost = [one for name, one in self.endpoints.items() if name not in wanted]
        self.endpoints = _kept(self.endpoints, wanted, make=Endpoint, follow=Endpoint.follow)
        self._follow_replicas(table, now_s, wall_s)
        self._by_name = dict(self.endpoints)  # a name comes before an alias, whoever has it
        for (workspace, _), endpoint in self.endpoints.items():
            for alias in endpoint.route.aliases:
                self._by_name.setdefault((workspace, alias), endpoint)
        self._by_bare_name = {name: one for (_, name), one in reversed(self._by_name.items())}
        return lost

    def find(self, workspace: str | None, name: str) -> Endpoint[W] | None:
        """An endpoint by name or alias; without a workspace, in any (there are no keys then)."""
        if workspace is None:
            return self._by_bare_name.get(name)
        return self._by_name.get((workspace, name))

    def visible(self, workspace: str | None) -> list[Endpoint[W]]:
        """The endpoints of a workspace; all without one."""
        return [
            one
            for (owner, _), one in self.endpoints.items()
            if workspace is None or owner == workspace
        ]

    def _follow_workspaces(self, table: Table, now_s: float) -> None:
        """A meter that was made stays, without limits if need be: requests it counts are out."""
        wanted = {name: WorkspaceRule(name=name) for name in self._workspaces}
        wanted |= {rule.name: rule for rule in table.workspaces}
        for name, rule in wanted.items():
            members = [one for one in self.meters.values() if one.rule.workspace == name]
            shared = self._workspaces.get(name)
            if shared is None:
                shared = self._workspaces[name] = WorkspaceMeter(rule, now_s)
                shared.in_flight = sum(one.in_flight for one in members)
            else:
                shared.follow(rule, now_s)
            for one in members:
                one.workspace = shared

    def _follow_replicas(self, table: Table, now_s: float, wall_s: float) -> None:
        before = self.replicas
        self.replicas = {}
        for route in table.endpoints:
            endpoint = self.endpoints[(route.workspace, route.name)]
            endpoint.replicas = []
            for wanted in route.replicas:
                replica = before.get(wanted.replica_id)
                if replica is None or not _same_place(replica.route, wanted):
                    replica = Replica(wanted, now_s, wall_s)
                else:
                    replica.follow(wanted)
                self.replicas[wanted.replica_id] = replica
                endpoint.replicas.append(replica)
            endpoint.note_ready(now_s)
        for name, replica in before.items():
            if self.replicas.get(name) is not replica:
                replica.gone = True
                replica.note_state()
                replica.pool.close_idle()


R = TypeVar("R")
L = TypeVar("L")
K = TypeVar("K")


def _kept(
    live: Mapping[K, L],
    wanted: Mapping[K, R],
    *,
    make: Callable[[R], L],
    follow: Callable[[L, R], None],
) -> dict[K, L]:
    """Live things of the names that are wanted: those there are, and new ones."""
    kept: dict[K, L] = {}
    for name, rule in wanted.items():
        one = live.get(name)
        if one is None:
            one = make(rule)
        else:
            follow(one, rule)
        kept[name] = one
    return kept


def _same_place(one: ReplicaRoute, other: ReplicaRoute) -> bool:
    return (one.host, one.port) == (other.host, other.port)
