"""What becomes of a request: whose it is, what it asks, whether it may, and to which endpoint."""

import hashlib
import re
import time
from time import monotonic
from typing import Final

import orjson

from paceline.deploy.gateway.addresses import FILES
from paceline.deploy.gateway.answer_file import AnswerFile
from paceline.deploy.gateway.answers import JSON, own_answer
from paceline.deploy.gateway.ask import Ask, apply_policy, understand, write_rest
from paceline.deploy.gateway.connection import ClientConnection, Listener
from paceline.deploy.gateway.dispatch import Dispatcher
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.files import File, Files
from paceline.deploy.gateway.fleet import Endpoint, Fleet
from paceline.deploy.gateway.heads import Request
from paceline.deploy.gateway.idempotency import Answer, Entry, Idempotency
from paceline.deploy.gateway.limits import NOTHING, KeyMeter, Reservation
from paceline.deploy.gateway.problems import Problem, malformed, no_such_model, not_told_yet
from paceline.deploy.gateway.routes import HEALTH, MODELS, ROUTES, Route
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.records.gateway import EndpointRoute

BEARER: Final = b"bearer "
GOOD_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
MOST_IDEMPOTENCY_KEY: Final = 255
CLIENT_LEFT: Final = 499
HEAD_END: Final = b"\r\n\r\n"
PRIVATE: Final = b"cache-control: private\r\n"


class Front(Listener):
    """Everything between a parsed request and an exchange."""

    def __init__(
        self, settings: GatewaySettings, fleet: Fleet[Exchange], dispatcher: Dispatcher
    ) -> None:
        super().__init__(settings)
        self._fleet = fleet
        self._dispatcher = dispatcher
        self._files = Files(fleet, dispatcher.sockets)
        self._idempotency = Idempotency(AnswerFile(settings.state))
        self.problems: dict[int, int] = {}
        """Refusals before an endpoint was known, by status."""

    def handle(self, client: ClientConnection, request: Request) -> None:
        """Answer a request, now or later."""
        request_id = request.head.headers.get(b"x-request-id")
        if request_id is None or GOOD_ID.fullmatch(request_id) is None:
            request_id = self.made_id()
        route = ROUTES.get(request.head.target)
        if route is None:
            self._other(client, request, request_id)
            return
        if request.head.method != b"POST":
            self._refuse(client, request, request_id, _not_allowed(request, b"POST"))
            return
        meter = self._who(request)
        if isinstance(meter, Problem):
            self._refuse(client, request, request_id, meter)
            return
        ask = understand(route, request.body)
        if isinstance(ask, Problem):
            self._refuse(client, request, request_id, ask)
            return
        workspace = meter.rule.workspace if meter is not None else None
        endpoint = self._fleet.find(workspace, ask.model)
        if endpoint is None:
            self._refuse(client, request, request_id, no_such_model(ask.model))
            return
        now_s = monotonic()
        exchange = Exchange(
            self._dispatcher, client, request, request_id, route, ask, endpoint, meter, now_s
        )
        endpoint.tally.arrivals += 1
        self._admit(exchange, now_s)

    def _admit(self, exchange: Exchange, now_s: float) -> None:
        """May it, as far as key, endpoint and limits go?"""
        meter, ask, route = exchange.meter, exchange.ask, exchange.endpoint.route
        problem = (
            _out_of_scope(meter, route, exchange.route)
            or apply_policy(ask, exchange.route, route.unknown_parameters)
            or write_rest(ask)
        )
        if problem is not None:
            exchange.refuse(problem)
            return
        key = exchange.request.head.headers.get(b"idempotency-key")
        if key is not None and not ask.stream and self._repeats(exchange, key, now_s):
            return
        if meter is not None:
            reserved = _reservation(meter, ask, exchange.route, exchange.endpoint)
            problem = meter.admit(now_s, reserved)
            if problem is not None:
                exchange.refuse(problem)
                return
            exchange.reserved = reserved
        self._dispatcher.submit(exchange, now_s)

    def _who(self, request: Request) -> KeyMeter | Problem | None:
        """The key's meter; `None` where no key is needed and none of ours is given.

        Keys are looked up by digest: how long that takes depends on digests, which nobody can
        steer, and not on the key.
        """
        head = request.head
        digest = head.key_digest
        if digest is None:
            digest = head.key_digest = _digest(head.headers.get(b"authorization", b""))
        meter = self._fleet.meters.get(digest)
        if meter is None:
            if not self._fleet.table.keys_required:
                return None
            if self._fleet.table.revision == 0:
                return not_told_yet()
            given = head.headers.get(b"authorization")
            code = "invalid_api_key" if given else "api_key_required"
            return _unauthorized(code, "Give a valid key as `Authorization: Bearer pl_live_…`.")
        expires_at_s = meter.rule.expires_at_s
        if expires_at_s is not None and time.time() >= expires_at_s:
            return _unauthorized("api_key_expired", "This key has expired.")
        return meter

    def _repeats(self, exchange: Exchange, key: bytes, now_s: float) -> bool:
        """Whether the request is a repeat, which is answered here or when the first one is."""
        if not 0 < len(key) <= MOST_IDEMPOTENCY_KEY:
            message = f"An Idempotency-Key has 1 to {MOST_IDEMPOTENCY_KEY} characters."
            exchange.refuse(malformed("bad_idempotency_key", message))
            return True
        name = (exchange.queue_of + "\0" + exchange.endpoint.route.name, key)
        body = exchange.request.body
        digest = hashlib.sha256(exchange.request.head.target + b"\0" + body).digest()
        entry = self._idempotency.find(name, now_s)
        if entry is None:
            entry = self._idempotency.begin(name, digest, now_s)
            exchange.on_answer = self._keeper(entry)
            return False
        if entry.digest != digest:
            exchange.refuse(_other_body())
        elif entry.answer is not None:
            _replay(exchange, entry.answer)
        else:
            entry.waiters.append(lambda answer: _replay(exchange, answer))
        return True

    def _keeper(self, entry: Entry) -> "Keeper":
        return Keeper(self._idempotency, entry)

    def _other(self, client: ClientConnection, request: Request, request_id: bytes) -> None:
        """Models, files, health, and what does not exist."""
        path = request.head.target.partition(b"?")[0]
        if path != request.head.target and path in ROUTES:
            request.head.target = path  # for all that begin alike: a query means nothing here
            self.handle(client, request)
        elif path == HEALTH:
            self._say(client, request, request_id, b'{"status":"ok"}')
        elif path == MODELS or path.startswith(MODELS + b"/"):
            self._models(client, request, request_id, path)
        elif path.startswith(FILES):
            self._file(client, request, request_id)
        else:
            message = f"There is no {path[:100].decode(errors='replace')!r} here."
            problem = Problem(status=404, code="unknown_url", message=message)
            self._refuse(client, request, request_id, problem)

    def _models(
        self, client: ClientConnection, request: Request, request_id: bytes, path: bytes
    ) -> None:
        if request.head.method != b"GET":
            self._refuse(client, request, request_id, _not_allowed(request, b"GET"))
            return
        meter = self._who(request)
        if isinstance(meter, Problem):
            self._refuse(client, request, request_id, meter)
            return
        workspace = meter.rule.workspace if meter is not None else None
        scope = meter.rule.endpoints if meter is not None else None
        seen = [
            one.route
            for one in self._fleet.visible(workspace)
            if scope is None or one.route.name in scope
        ]
        if path == MODELS:
            listed = [_model(one, name) for one in seen for name in (one.name, *one.aliases)]
            document: dict[str, object] = {"object": "list", "data": listed}
        else:
            name = path[len(MODELS) + 1 :].decode(errors="replace")
            found = next((one for one in seen if name == one.name or name in one.aliases), None)
            if found is None:
                self._refuse(client, request, request_id, no_such_model(name))
                return
            document = _model(found, name)
        self._say(client, request, request_id, orjson.dumps(document))

    def _file(self, client: ClientConnection, request: Request, request_id: bytes) -> None:
        """A picture by its signed address."""
        if request.head.method != b"GET":
            self._refuse(client, request, request_id, _not_allowed(request, b"GET"))
            return
        found = self._files.find(request.head.target)
        if isinstance(found, Problem):
            self._refuse(client, request, request_id, found)
            return

        def done(file: File | Problem) -> None:
            if isinstance(file, Problem):
                self._refuse(client, request, request_id, file)
            else:
                head, kind = file.head + PRIVATE, file.content_type
                self._say(client, request, request_id, file.body, head=head, content_type=kind)

        client.when_gone = self._files.fetch(found, done)

    def _say(
        self,
        client: ClientConnection,
        request: Request,
        request_id: bytes,
        body: bytes,
        *,
        head: bytes = b"",
        content_type: bytes = JSON,
    ) -> None:
        close = client.closes_after(request)
        answer = own_answer(
            200, body, request_id=request_id, extra=head, content_type=content_type, close=close
        )
        _answer(client, request, answer, close=close)

    def _refuse(
        self, client: ClientConnection, request: Request, request_id: bytes, problem: Problem
    ) -> None:
        """An answer to a request that belongs to no endpoint."""
        self.problems[problem.status] = self.problems.get(problem.status, 0) + 1
        close = client.closes_after(request)
        answer = own_answer(
            problem.status,
            problem.body(),
            request_id=request_id,
            retry_after=problem.retry_after(),
            close=close,
        )
        _answer(client, request, answer, close=close)


class Keeper:
    """Keeps the answer to the first request with an idempotency key."""

    def __init__(self, store: Idempotency, entry: Entry) -> None:
        self._store = store
        self._entry = entry

    def __call__(self, answer: Answer) -> None:
        self._store.finish(self._entry, answer)


def _answer(client: ClientConnection, request: Request, answer: bytes, *, close: bool) -> None:
    """Send it, to a HEAD without its body: that would be taken for the next answer."""
    if request.head.method == b"HEAD":
        answer = answer[: answer.index(HEAD_END) + len(HEAD_END)]
    client.done(request, answer, close=close)


def _digest(given: bytes) -> str:
    """Of the key in an `Authorization` header; of nothing where there is none."""
    key = given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else b""
    return hashlib.sha256(key).hexdigest()


def _replay(exchange: Exchange, answer: Answer) -> None:
    """The same answer again, at no charge; nothing for who has left meanwhile."""
    if exchange.finished:
        return
    if answer.status == CLIENT_LEFT:
        exchange.refuse(
            Problem(
                status=409,
                code="first_request_aborted",
                message="The first request with this Idempotency-Key was aborted; send it again.",
                retry_after_s=1,
            )
        )
        return
    exchange.replay(answer)


def _reservation(
    meter: KeyMeter, ask: Ask, route: Route, endpoint: Endpoint[Exchange]
) -> Reservation:
    if not meter.limits_tokens_or_money:
        return NOTHING
    input_tokens, output_tokens = endpoint.ratios.input_tokens(ask.input_bytes), ask.output_tokens
    usd = endpoint.prices.usd(route, input_tokens, output_tokens, ask.images)
    return Reservation(input_tokens + output_tokens, usd)


def _out_of_scope(meter: KeyMeter | None, endpoint: EndpointRoute, route: Route) -> Problem | None:
    scope = meter.rule.endpoints if meter is not None else None
    if scope is not None and endpoint.name not in scope:
        message = f"This key may not use {endpoint.name!r}."
        return Problem(status=403, code="out_of_scope", message=message, param="model")
    if route.path not in endpoint.routes:
        message = f"{endpoint.name!r} does not serve {route.path}."
        return Problem(status=404, code="route_not_served", message=message, param="model")
    return None


def _model(route: EndpointRoute, name: str) -> dict[str, object]:
    """By the name that it was asked for; an alias says what it stands for."""
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": route.workspace,
        "version": route.version,
        "endpoint": route.name,
        "aliases": route.aliases,
    }


def _other_body() -> Problem:
    return Problem(
        status=409,
        code="idempotency_conflict",
        message="This Idempotency-Key was used with another body.",
    )


def _unauthorized(code: str, message: str) -> Problem:
    return Problem(status=401, code=code, message=message)


def _not_allowed(request: Request, method: bytes) -> Problem:
    message = f"{request.head.method.decode()} is not for this path; {method.decode()} is."
    return Problem(status=405, code="method_not_allowed", message=message)
