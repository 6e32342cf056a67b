"""Requests between clients and replicas that answer oddly or not at all, without a socket."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paceline.deploy.gateway.breaker import FAILURES_IN_A_ROW
from paceline.deploy.gateway.connection import ClientConnection
from paceline.deploy.gateway.dispatch import Dispatcher
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.fleet import Fleet, Replica
from paceline.deploy.gateway.front import Front
from paceline.deploy.gateway.routes import IMAGES
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.spool import Spool
from paceline.deploy.gateway.spool_reader import Position, read_spool
from paceline.deploy.gateway.transport import Transport
from paceline.deploy.gateway.upstream import UpstreamConnection
from paceline.records.gateway import Ended, EndpointRoute, KeyRule, Table, UsageLine
from paceline.testing.gateway import CHAT, KEY, chat_body, endpoint, key_rule, replica

EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
) % (len(EVENT), EVENT)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
URL = "http://127.0.0.1:9"


@dataclass
class Wire(Transport):
    """What was written, and whether it was closed."""

    written: bytes = b""
    ended: bool = False

    def write(self, data: bytes) -> None:
        self.written += data

    def hold_at_most(self, high_bytes: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def half_close(self) -> None: ...
    def taken_bytes(self) -> None: ...
    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


class Engine:
    """A replica's end of one connection."""

    def __init__(self, upstream: UpstreamConnection) -> None:
        self.transport = Wire()
        self.upstream = upstream
        upstream.connection_made(self.transport)

    @property
    def asked(self) -> int:
        """How many requests came over it."""
        return self.transport.written.count(b"POST ")

    def says(self, data: bytes) -> None:
        self.upstream.data_received(data)

    def closes(self) -> None:
        self.upstream.connection_lost(None)


class Dialling(Dispatcher):
    """Connections are made when a test says so."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.wanted: deque[tuple[Exchange, Replica]] = deque()

    def connect(self, exchange: Exchange, replica: Replica) -> None:
        self.wanted.append((exchange, replica))


@dataclass
class Bench:
    """A gateway but for its sockets."""

    folder: Path
    fleet: Fleet[Exchange]
    dispatcher: Dialling
    front: Front
    revision: int = 0
    open: list[UpstreamConnection | ClientConnection] = field(default_factory=list)

    def serve(self, *endpoints: EndpointRoute, keys: tuple[KeyRule, ...] | None = None) -> None:
        self.revision += 1
        rules = (key_rule(),) if keys is None else keys
        self.dispatcher.follow(Table(revision=self.revision, endpoints=endpoints, keys=rules))

    def client(self) -> tuple[ClientConnection, Wire]:
        made, transport = ClientConnection(self.front), Wire()
        made.connection_made(transport)
        self.open.append(made)
        return made, transport

    def asks(
        self, *, path: str = CHAT, head: str = "", **fields: Any
    ) -> tuple[ClientConnection, Wire]:
        """A client of its own asks for a chat."""
        made, transport = self.client()
        made.data_received(http(path=path, head=head, **fields))
        return made, transport

    def engine(self) -> Engine:
        """The next connection that is wanted is made."""
        exchange, replica = self.dispatcher.wanted.popleft()
        made = Engine(UpstreamConnection())
        self.open.append(made.upstream)
        exchange.connected(made.upstream, replica)
        return made

    @property
    def lines(self) -> tuple[UsageLine, ...]:
        return read_spool(self.folder, Position()).lines

    @property
    def ends(self) -> list[Ended]:
        return [line.ended for line in self.lines if line.ended not in {Ended.BEGAN, Ended.MOVED}]


def http(*, path: str = CHAT, head: str = "", **fields: Any) -> bytes:
    body = json.dumps(chat_body(**fields)).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n{head}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    settings = GatewaySettings(control=tmp_path / "c", state=tmp_path)
    fleet: Fleet[Exchange] = Fleet()
    spool = Spool(tmp_path)
    dispatcher = Dialling(settings, spool, fleet, lambda _: None, None)
    made = Bench(tmp_path, fleet, dispatcher, Front(settings, fleet, dispatcher))
    made.serve(endpoint(replica(URL)))
    yield made
    for one in made.open:
        if hasattr(one, "_parser"):  # it holds its connection
            one.connection_lost(None)
    spool.close()


def test_a_connection_left_without_notice_is_never_an_error_however_often(bench: Bench) -> None:
    """One replica, full and with a queue: each waiting request gets a connection just used."""
    bench.serve(endpoint(replica(URL, capacity=1)))
    transports = [bench.asks(stream=True)[1] for _ in range(6)]
    engine = bench.engine()
    for _ in transports[1:]:
        engine.says(STREAM)
        assert engine.asked == 2, "the next one is sent before the end is seen"
        engine.closes()
        engine = bench.engine()
    engine.says(STREAM)
    assert [one.written.count(b" 200 OK") for one in transports] == [1] * 6
    assert bench.ends == [Ended.OK] * 6
    tally = next(iter(bench.fleet.endpoints.values())).tally
    assert tally.retries == 0, "nothing was given to another replica"


@pytest.mark.parametrize("first", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 20"])
def test_what_an_engine_has_begun_to_answer_is_not_repeated_there(
    bench: Bench, first: bytes
) -> None:
    bench.asks()
    engine = bench.engine()
    engine.says(WHOLE)
    _, transport = bench.asks()
    engine.says(first)
    engine.closes()
    assert not bench.dispatcher.wanted
    assert b"engine_failed" in transport.written and bench.ends == [Ended.OK, Ended.FAILED]


def test_a_connection_made_for_one_who_left_is_as_good_as_used(bench: Bench) -> None:
    client, _ = bench.asks()
    client.connection_lost(None)
    engine = bench.engine()
    _, transport = bench.asks()
    assert engine.asked == 1
    engine.closes()
    bench.engine().says(WHOLE)
    assert b" 200 OK" in transport.written


@pytest.mark.parametrize("path", ["/health", "/v1/models", CHAT, "/nothing"])
def test_a_head_request_gets_no_body(bench: Bench, path: str) -> None:
    """Its client would take it for the next answer."""
    client, transport = bench.client()
    client.data_received(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    head, _, rest = transport.written.partition(b"\r\n\r\n")
    assert b"content-length: " in head and rest == b""


@pytest.mark.parametrize("status", [b"204 No Content", b"205 Reset", b"302 Found", b"304 Same"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_to_a_question_is_a_failure_of_the_engine(
    bench: Bench, status: bytes, stream: bool
) -> None:
    """Passed on, it would be misread: a 204 or a 304 has no body whatever its length says."""
    _, transport = bench.asks(stream=stream)
    framing = b"" if status[:3] in (b"204", b"304") else b"content-length: 0\r\n"
    bench.engine().says(b"HTTP/1.1 %b\r\n%b\r\n" % (status, framing))
    assert transport.written.startswith(b"HTTP/1.1 502 ") and bench.ends == [Ended.FAILED]


def test_a_second_answer_that_nobody_asked_for_reaches_nobody(bench: Bench) -> None:
    _, transport = bench.asks()
    engine = bench.engine()
    engine.says(WHOLE + WHOLE[:-2] + b"[]")
    assert transport.written.endswith(b"\r\n\r\n{}")
    engine.says(b"rest")
    _, other = bench.asks()
    assert engine.asked == 1 and engine.transport.ended
    bench.engine().says(WHOLE)
    assert other.written.endswith(b"\r\n\r\n{}")


def test_a_repeat_whose_client_left_is_accounted_once(bench: Bench) -> None:
    first, _ = bench.asks(head="Idempotency-Key: k\r\n")
    bench.engine()
    repeat, _ = bench.asks(head="Idempotency-Key: k\r\n")
    repeat.connection_lost(None)
    first.connection_lost(None)
    assert bench.ends == [Ended.ABORTED] * 2


def test_a_repeat_is_told_when_to_come_again_like_the_first(bench: Bench) -> None:
    bench.serve(endpoint())
    transports = [bench.asks(head="Idempotency-Key: k\r\n")[1] for _ in range(2)]
    bench.serve(endpoint(failed="no such engine"))
    for transport in transports:
        assert transport.written.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 60\r\n" in transport.written


def test_a_replica_that_was_out_is_tried_with_one_request_at_a_time(bench: Bench) -> None:
    bench.serve(endpoint(replica(URL), replica("http://127.0.0.1:10", "other")))
    tried = bench.fleet.replicas["r1"]
    while not tried.breaker.failed(0.0, may_eject=True):
        pass
    assert tried.breaker.look(1e9)
    tried.note_state()
    for _ in range(40):
        bench.asks()
    assert tried.in_flight == 1
    at = next(n for n, (_, one) in enumerate(bench.dispatcher.wanted) if one is tried)
    bench.dispatcher.wanted.rotate(-at)
    engine = bench.engine()
    bench.asks()
    engine.says(WHOLE)
    for _ in range(40):
        bench.asks()
    assert tried.in_flight > 1, "it answered"


def test_who_was_tried_elsewhere_holds_nobody_up(bench: Bench) -> None:
    """One whose last untried replica is full waits beside those who may go to the other."""
    one, other = replica(URL, capacity=1), replica("http://127.0.0.1:10", "other", capacity=1)
    bench.serve(endpoint(one, other))
    bench.asks()
    bench.asks()
    first, second = bench.engine(), bench.engine()
    bench.asks()  # waits
    first.says(b"HTTP/1.1 429 Full\r\ncontent-length: 0\r\n\r\n")  # now that one waits for `second`
    assert first.asked == 2
    first.says(WHOLE)
    _, transport = bench.asks()
    assert first.asked == 3, "there is room for it"
    first.says(WHOLE)
    second.says(WHOLE)
    assert b" 200 OK" in transport.written and second.asked == 2
    second.says(WHOLE)
    assert bench.ends == [Ended.OK] * 4


def test_the_account_says_whose_replica_failed_a_request_before_its_first_byte(
    bench: Bench,
) -> None:
    canary = replica("http://127.0.0.1:10", "canary", version=2)
    bench.serve(endpoint(replica(URL), canary))
    bench.asks()
    failed = []
    while bench.dispatcher.wanted:
        _, given = bench.dispatcher.wanted[0]
        failed.append(given.route.version)
        bench.engine().says(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
    first, second = failed
    assert [(line.ended, line.failed_version) for line in bench.lines] == [
        (Ended.BEGAN, None),
        (Ended.MOVED, first),
        (Ended.FAILED, second),
    ]


def test_pictures_are_paid_for_from_what_is_left_while_they_are_made(bench: Bench) -> None:
    priced, key = endpoint(replica(URL), usd_per_image=0.4), key_rule(budget_left_usd=1.0)
    bench.serve(priced, keys=(key,))
    bench.asks(path=IMAGES.path, prompt="a tree", n=2)
    engine = bench.engine()
    _, refused = bench.asks(path=IMAGES.path, prompt="a tree")
    assert b"HTTP/1.1 402 " in refused.written
    engine.says(b"HTTP/1.1 422 No\r\ncontent-length: 2\r\n\r\n{}")
    _, made = bench.asks(path=IMAGES.path, prompt="a tree", n=2)
    engine.says(WHOLE)
    assert b"HTTP/1.1 200 " in made.written, "what was turned down cost nothing"


def test_the_wait_for_a_first_replica_is_counted_apart_from_that_for_a_full_one(
    bench: Bench,
) -> None:
    bench.serve(endpoint())
    tally = next(iter(bench.fleet.endpoints.values())).tally
    bench.asks()
    bench.serve(endpoint(replica(URL, capacity=1)))
    assert (sum(tally.queue.counts), sum(tally.cold_start.counts)) == (1, 1)
    bench.asks()  # waits
    engine = bench.engine()
    engine.says(WHOLE)
    assert engine.asked == 2
    assert (sum(tally.queue.counts), sum(tally.cold_start.counts)) == (2, 1)


def given_up(bench: Bench, *, stream: bool, after_s: float) -> bool:
    """Whether the one request that is under way has not been waited for any longer."""
    exchange = next(iter(bench.dispatcher.active))
    assert exchange.ask.stream is stream
    exchange.look(exchange.started_s + after_s)
    return exchange.finished


@pytest.mark.parametrize(("stream", "limit_s"), [(True, 120.0), (False, 600.0)])
def test_a_whole_answer_is_waited_for_longer_than_the_first_byte_of_a_stream(
    bench: Bench, stream: bool, limit_s: float
) -> None:
    _, transport = bench.asks(stream=stream)
    bench.engine()
    assert not given_up(bench, stream=stream, after_s=limit_s - 1)
    assert given_up(bench, stream=stream, after_s=limit_s + 1)
    assert transport.written.startswith(b"HTTP/1.1 504 ") and bench.ends == [Ended.FAILED]


@pytest.mark.parametrize(
    ("stream", "others", "stalls"),
    [(True, 0, True), (False, 0, False), (False, 1, True)],
)
def test_a_whole_answer_that_is_late_and_alone_says_nothing_against_its_replica(
    bench: Bench, stream: bool, others: int, stalls: bool
) -> None:
    breaker = bench.fleet.replicas["r1"].breaker
    for _ in range(FAILURES_IN_A_ROW - 1):
        bench.asks(stream=stream)
        late = bench.dispatcher.wanted[-1][0]
        neighbours = [bench.asks()[0] for _ in range(others)]
        while bench.dispatcher.wanted:
            bench.engine()
        late.look(late.started_s + 601)
        for one in neighbours:
            one.connection_lost(None)
            bench.open.remove(one)
    assert breaker.failed(0.0, may_eject=True) is stalls, "those before it were counted"


def test_a_whole_answer_that_began_and_stopped_is_a_stall(bench: Bench) -> None:
    breaker = bench.fleet.replicas["r1"].breaker
    for _ in range(FAILURES_IN_A_ROW - 1):
        bench.asks()
        bench.engine().says(WHOLE[:-1])
        assert given_up(bench, stream=False, after_s=61)
    assert breaker.failed(0.0, may_eject=True)


def test_what_came_behind_a_request_is_no_matter_once_its_client_left(bench: Bench) -> None:
    client, transport = bench.client()
    client.data_received(http() + b"\0")
    exchange = next(iter(bench.dispatcher.active))
    bench.open.remove(client)
    client.connection_lost(None)
    before = transport.written
    client.done(exchange.request, b"", close=False)  # its account was written only now
    assert transport.written == before and not transport.ended


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
LENGTH = b"content-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("cut", [1, 7, 1_000])
@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n{}", b"text/plain 2"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", b"application/json 2"),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n" + LENGTH, b"application/json 2"),
        (
            b"HTTP/1.1 102 Working\r\n\r\n" * 3 + CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n",
            b"text/plain 2",
        ),
        (
            b"HTTP/1.1 103 Hints\r\ncontent-type: text/css\r\n\r\nHTTP/1.1 200 OK\r\n" + LENGTH,
            b"application/json 2",
        ),
        (CHUNKED + b"2\r\n{}\r\n0\r\ncontent-type: text/css\r\n\r\n", b"text/plain 2"),
        (b"HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n{}", None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + LENGTH, None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + LENGTH, None),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}", None),
        (b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\n" + LENGTH, None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", None),
        (CHUNKED + b"2\r\n{}\r\n", None),
    ],
)
def test_an_answer_is_framed_in_any_of_the_ways_of_http_or_is_none(
    bench: Bench, said: bytes, answered: bytes | None, cut: int
) -> None:
    _, transport = bench.asks()
    engine = bench.engine()
    for at in range(0, len(said), cut):
        if engine.upstream.consumer is not None:
            engine.says(said[at : at + cut])
    if not bench.ends:
        engine.closes()
    if answered is None:
        assert transport.written.startswith(b"HTTP/1.1 502 ") and bench.ends == [Ended.FAILED]
        return
    kind, size = answered.split()
    assert b"content-type: %b\r\ncontent-length: %b\r\n" % (kind, size) in transport.written
    assert transport.written.endswith(b"\r\n\r\n{}") and bench.ends == [Ended.OK]
