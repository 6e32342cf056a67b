"""Finds a replica for every exchange: at once, from the queue, or again after a failure."""

import asyncio
import random
import time
from collections.abc import Callable
from time import monotonic
from typing import Final

import orjson

from paceline.deploy.gateway.exchange import Dispatch, Exchange
from paceline.deploy.gateway.fleet import Endpoint, Fleet, Replica
from paceline.deploy.gateway.problems import Problem, Progress
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.sockets import Sockets
from paceline.deploy.gateway.spool import Spool
from paceline.deploy.routing import choose
from paceline.records.gateway import EndpointRoute, Table, Wake

WAKE_AGAIN_S: Final = 1.0
UNKNOWN_RETRY_S: Final = 5.0
"""Retry-After where nothing was measured yet."""
PREFIX_BYTES: Final = 1_024
"""How much of a prompt decides where it goes: a system prompt, not a conversation."""


class Dispatcher(Dispatch):
    """All exchanges of this gateway that are under way."""

    def __init__(
        self,
        settings: GatewaySettings,
        spool: Spool,
        fleet: Fleet[Exchange],
        wake: Callable[[Wake], None],
        sockets: Sockets,
    ) -> None:
        super().__init__(settings, spool)
        self.active: set[Exchange] = set()
        self._fleet = fleet
        self._wake = wake
        self.sockets = sockets
        self._connecting: set[asyncio.Task[None]] = set()

    def submit(self, exchange: Exchange, now_s: float) -> None:
        """A new exchange that was admitted."""
        self.active.add(exchange)
        endpoint = exchange.endpoint
        replica = None if endpoint.queue.length else self._choose(exchange, endpoint.replicas)
        if replica is not None:
            endpoint.tally.went_at_once()
            exchange.give_to(replica, now_s, now_s - self.settings.upstream_keep_alive_s)
            return
        problem = self._no_place(endpoint)
        if problem is not None:
            exchange.refuse(problem)
            return
        endpoint.queue.push(exchange)
        exchange.waits()
        if endpoint.ready_since_s is None:
            self._wake_for(endpoint, now_s)
        elif len(endpoint.queue) > 1:  # those before it may wait for another replica
            self._pump(endpoint)

    def again(self, exchange: Exchange) -> bool:
        """Give it to a replica that it was not given to yet; `False` when there is none."""
        endpoint, now_s = exchange.endpoint, monotonic()
        others = [one for one in endpoint.replicas if one.replica_id not in exchange.tried]
        replica = self._choose(exchange, others)
        if replica is not None:
            exchange.give_to(replica, now_s, now_s - self.settings.upstream_keep_alive_s)
            return True
        if all(one.closed for one in others):
            return False
        endpoint.queue.push_first(exchange)
        exchange.waits()
        return True

    def connect(self, exchange: Exchange, replica: Replica) -> None:
        """Open a connection for it."""
        task = asyncio.get_running_loop().create_task(self._connect(exchange, replica))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        self.sockets.leave_soon()

    def released(self, endpoint: Endpoint[Exchange], replica: Replica) -> None:
        """A replica has room again."""
        if not replica.in_flight:
            replica.idle_since_s = monotonic()
            if replica.gone:
                replica.pool.close_idle()
            else:
                replica.note_state()
        elif replica.closed:  # an answer may have proved it
            replica.note_state()
        if endpoint.queue.length:
            self._pump(endpoint)

    def ended(self, exchange: Exchange) -> None:
        """It is over."""
        self.active.discard(exchange)

    def follow(self, table: Table) -> None:
        """Serve by this table: who waits may have a replica now, or no endpoint any more."""
        now_s = monotonic()
        for endpoint in self._fleet.follow(table, now_s=now_s, wall_s=time.time()):
            self._refuse_all(endpoint, _gone(endpoint.route))
        for endpoint in self._fleet.endpoints.values():
            if endpoint.route.failed is not None and endpoint.ready_since_s is None:
                self._refuse_all(endpoint, _failed(endpoint.route))
            elif endpoint.queue:
                if endpoint.ready_since_s is None:
                    self._wake_for(endpoint, now_s)
                self._pump(endpoint)

    def look(self, now_s: float) -> None:
        """Called every now and then: time-outs, late waiters, breakers that cooled."""
        for exchange in list(self.active):
            exchange.look(now_s)
        oldest_s = now_s - self.settings.upstream_keep_alive_s
        for endpoint in self._fleet.endpoints.values():
            for replica in endpoint.replicas:
                replica.pool.close_idle(oldest_s)
                if replica.breaker.look(now_s):
                    replica.note_state()
            if not endpoint.queue:
                continue
            for exchange in endpoint.queue.waiting_since(now_s - endpoint.route.hold_s):
                self._note_wait(exchange, now_s)
                exchange.goes_on()
                exchange.refuse(self._held_too_long(endpoint, now_s))
            if endpoint.ready_since_s is None and endpoint.queue:
                self._wake_for(endpoint, now_s)
            self._pump(endpoint)

    def _pump(self, endpoint: Endpoint[Exchange]) -> None:
        """Give waiting requests to replicas that have room."""
        now_s = monotonic()
        queue, passed = endpoint.queue, list[Exchange]()
        while (exchange := queue.pop()) is not None:
            others = [one for one in endpoint.replicas if one.replica_id not in exchange.tried]
            replica = self._choose(exchange, others)
            if replica is not None:
                self._note_wait(exchange, now_s)
                exchange.goes_on()
                exchange.give_to(replica, now_s, now_s - self.settings.upstream_keep_alive_s)
            elif not exchange.tried:
                queue.push_first(exchange)
                break
            elif all(one.closed for one in others):
                exchange.goes_on()
                exchange.refuse(self._no_capacity(endpoint, "No other replica is left.", now_s))
            else:  # those behind it may go where it has been
                passed.append(exchange)
        for exchange in reversed(passed):
            queue.push_first(exchange)

    def _note_wait(self, exchange: Exchange, now_s: float) -> None:
        waited_s = now_s - exchange.queued_at_s
        exchange.cold_s = min(exchange.endpoint.cold_s(exchange.queued_at_s, now_s), waited_s)
        exchange.queue_s = waited_s - exchange.cold_s
        exchange.endpoint.tally.waited(waited_s, exchange.cold_s)

    def _choose(self, exchange: Exchange, replicas: list[Replica]) -> Replica | None:
        if len(replicas) == 1:  # nothing to choose
            only = replicas[0]
            return only if only.in_flight < only.capacity and not only.closed else None
        prefix = None
        if exchange.endpoint.route.prefix_affine:
            given = exchange.ask.document[exchange.route.input_field]
            prefix = orjson.dumps(given)[:PREFIX_BYTES]
        now_s = monotonic()
        return choose(replicas, now_s=now_s, draw=random.random(), prefix=prefix)  # noqa: S311

    def _no_place(self, endpoint: Endpoint[Exchange]) -> Problem | None:
        route = endpoint.route
        if route.failed is not None and endpoint.ready_since_s is None:
            return _failed(route)
        if len(endpoint.queue) < route.queue_length:
            return None
        return self._no_capacity(
            endpoint, f"{len(endpoint.queue)} requests wait, which is the most.", monotonic()
        )

    def _held_too_long(self, endpoint: Endpoint[Exchange], now_s: float) -> Problem:
        message = f"No replica had room within {endpoint.route.hold_s:g} s."
        return self._no_capacity(endpoint, message, now_s)

    def _no_capacity(self, endpoint: Endpoint[Exchange], message: str, now_s: float) -> Problem:
        progress = _progress(endpoint.route) if endpoint.ready_since_s is None else None
        retry_s = endpoint.rate.retry_after_s(now_s, max(len(endpoint.queue), 1))
        if progress is not None:
            retry_s = progress.eta_s
            message = f"{message} A replica is being started: {progress.phase}."
        return Problem(
            status=503,
            code="no_capacity",
            message=message,
            retry_after_s=UNKNOWN_RETRY_S if retry_s is None else retry_s,
            progress=progress,
        )

    def _refuse_all(self, endpoint: Endpoint[Exchange], problem: Problem) -> None:
        while (exchange := endpoint.queue.pop()) is not None:
            exchange.goes_on()
            exchange.refuse(problem)

    def _wake_for(self, endpoint: Endpoint[Exchange], now_s: float) -> None:
        if now_s - endpoint.woken_s >= WAKE_AGAIN_S:
            endpoint.woken_s = now_s
            self._wake(Wake(endpoint=endpoint.route.name, at_s=time.time()))

    async def _connect(self, exchange: Exchange, replica: Replica) -> None:
        timeout_s = exchange.endpoint.route.connect_timeout_s
        try:
            upstream = await replica.pool.connect(self.sockets, timeout_s)
        except TimeoutError:
            exchange.cannot_connect(replica, f"no connection in {timeout_s:g} s")
        except OSError as error:
            exchange.cannot_connect(replica, f"no connection: {error}")
        else:
            exchange.connected(upstream, replica)


def _progress(route: EndpointRoute) -> Progress | None:
    starting = route.starting
    if starting is None:
        return None
    eta_s = max(starting.eta_s - max(time.time() - starting.at_s, 0.0), 1.0)
    return Progress(state="starting", phase=starting.phase, progress=starting.progress, eta_s=eta_s)


def _failed(route: EndpointRoute) -> Problem:
    return Problem(
        status=503,
        code="endpoint_failed",
        message=f"The endpoint {route.name!r} cannot be started: {route.failed}.",
        retry_after_s=60.0,
        progress=Progress(state="failed", phase="", progress=0.0, eta_s=0.0),
    )


def _gone(route: EndpointRoute) -> Problem:
    return Problem(
        status=404,
        code="model_not_found",
        message=f"The endpoint {route.name!r} was removed.",
        param="model",
    )
