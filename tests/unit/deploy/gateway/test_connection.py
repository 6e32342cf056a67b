"""A request that is known by its head must mean what the parser would have made of it."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paceline.deploy.gateway.connection import ClientConnection, Listener
from paceline.deploy.gateway.heads import Request
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.transport import Transport

SETTINGS = GatewaySettings(control=Path("c"), state=Path("s"), max_body_bytes=400)
HEAD = (
    b"POST /v1/chat HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nAccept: */*\r\n"
    b"Content-Length: %d\r\nX-Id: 7\r\n\r\n"
)
GOOD = HEAD % 4 + b"body"
Seen = tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...], bytes]


@dataclass
class Wire(Transport):
    written: list[bytes] = field(default_factory=list)
    reads: bool = True
    ends: list[str] = field(default_factory=list)
    taken: int | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def hold_at_most(self, high_bytes: int) -> None: ...

    def half_close(self) -> None: ...
    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")

    def taken_bytes(self) -> int | None:
        return self.taken

    def is_closing(self) -> bool:
        return bool(self.ends)

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Answers(Listener):
    """Notes what it is handed, and answers it at once unless it is `slow`."""

    def __init__(self, *, settings: GatewaySettings = SETTINGS, slow: bool = False) -> None:
        super().__init__(settings)
        self.slow = slow
        self.id_prefix = b"req_"  # the same for all
        self.seen: list[Seen] = []
        self.heads: list[Any] = []

    def handle(self, client: ClientConnection, request: Request) -> None:
        headers = tuple(sorted(request.head.headers.items()))
        self.seen.append((request.head.method, request.head.target, headers, request.body))
        self.heads.append(request.head)
        if not self.slow:
            client.done(request, b"", close=False)


def connection(**given: Any) -> tuple[ClientConnection, Answers, Wire]:
    answers, transport = Answers(**given), Wire()
    client = ClientConnection(answers)
    client.connection_made(transport)
    return client, answers, transport


def mutated(rng: random.Random) -> bytes:
    length = rng.choice((0, 1, 5, 40, 399, 400, 401, 10**8))
    body = rng.randbytes(rng.choice((length % 1_000, rng.randrange(60))))
    data = bytearray(HEAD % length + body)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        at = rng.randrange(min(len(data), len(HEAD) + 8))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(1, 5)]
            case 2:
                data[at:at] = rng.choice((b"\r\n", b"\n", b" ", b"0", b"Content-Length: 3\r\n"))
            case _:
                data += rng.choice((GOOD, b"\r\n", b"POST /", b"x"))
    return bytes(data)


def test_behind_a_request_the_same_bytes_mean_the_same_as_on_a_new_connection() -> None:
    rng, known = random.Random(7), 0
    for _ in range(1_500):
        data = mutated(rng)
        cuts = sorted(rng.sample(range(len(data)), min(rng.choice((0, 0, 0, 1, 3)), len(data))))
        pieces = [data[at:to] for at, to in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        first, plain, plain_wire = connection()
        second, behind, behind_wire = connection()
        second.data_received(GOOD)
        for piece in pieces:
            first.data_received(piece)
            second.data_received(piece)
        assert behind.seen[1:] == plain.seen, data
        assert behind_wire.written == plain_wire.written, data
        assert behind.buffered_bytes == plain.buffered_bytes, data
        known += behind.heads[0] in behind.heads[1:]
    assert 300 < known < 1_200, "both ways were taken"


def test_a_body_in_pieces_behind_a_known_head_is_one_request() -> None:
    client, answers, _ = connection()
    client.data_received(GOOD)
    for piece in (HEAD % 10, b"01234", b"56789" + GOOD, GOOD):
        client.data_received(piece)
    assert [one[3] for one in answers.seen] == [b"body", b"0123456789", b"body", b"body"]
    assert answers.heads[1] is answers.heads[0] and answers.buffered_bytes == 0


def test_a_body_that_is_too_large_is_refused_behind_a_known_head_too() -> None:
    client, answers, transport = connection()
    client.data_received(GOOD)
    client.data_received(HEAD % 401 + b"x" * 401)
    assert len(answers.seen) == 1 and b" 413 " in transport.written[-1]
    assert b"\r\nx-request-id: req_1\r\n" in transport.written[-1]


def test_requests_that_come_while_one_is_answered_wait_in_order() -> None:
    client, answers, transport = connection(slow=True)
    for number in range(20):
        client.data_received(HEAD % 2 + b"%02d" % number)
    assert [one[3] for one in answers.seen] == [b"00"] and not transport.reads


def test_the_last_request_of_a_connection_is_no_example() -> None:
    client, answers, transport = connection()
    last = GOOD.replace(b"X-Id: 7", b"Connection: close")
    client.data_received(last)
    client.data_received(last)
    assert len(answers.seen) == 1 and b" 400 " in transport.written[-1]


def test_a_reader_is_cut_off_when_it_takes_nothing_not_when_it_is_slow() -> None:
    client, _, transport = connection(slow=True)
    client.data_received(GOOD)
    limit_s = SETTINGS.client_stall_s
    transport.taken, now_s = 1_000, 0.0
    client.pause_writing()
    client.look(now_s)
    for _ in range(20):  # ten times the limit
        now_s += limit_s / 2
        transport.taken += 1
        client.look(now_s)
    client.look(now_s + limit_s - 1)
    assert not transport.ends
    client.look(now_s + limit_s + 1)
    assert transport.ends == ["abort"]


def test_a_connection_is_not_idle_while_its_last_answer_is_on_the_way() -> None:
    """As one is with TLS, where the loop holds what is written and says nothing of it."""
    client, _, transport = connection()
    client.data_received(GOOD)
    transport.taken, now_s = 1_000, 0.0
    client.look(now_s)
    for _ in range(3):
        now_s += SETTINGS.keep_alive_s + 1
        transport.taken += 1
        client.look(now_s)
    assert not transport.ends
    client.look(now_s + SETTINGS.keep_alive_s + 1)
    assert transport.ends == ["close"]


def test_an_idle_connection_is_closed_and_one_that_will_not_end_is_cut_off() -> None:
    client, _, transport = connection()
    client.data_received(GOOD)
    seen = []
    for now_s in (0.0, SETTINGS.keep_alive_s - 1, SETTINGS.keep_alive_s + 1, 1e6):
        client.look(now_s)
        seen.append(list(transport.ends))
    assert seen == [[], [], ["close"], ["close", "abort"]]
