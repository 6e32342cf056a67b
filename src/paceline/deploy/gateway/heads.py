"""Heads of messages, and the one that came last on a connection, known again by its bytes.

A client, and an engine, sends the same head again and again with another `content-length`. One that
the strict parser took is not parsed again: the same bytes in the same place mean the same, and the
digits of a length are the only bytes that may differ. Whoever uses it makes sure that the place is
the same, between two messages.
"""

import re
from typing import Final, Generic, NamedTuple, TypeVar

MOST_BYTES: Final = 4_096
"""A longer head is parsed each time; as many are kept as there are connections."""
MOST_DIGITS: Final = 8
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,8})\r\n", re.IGNORECASE)
_END: Final = b"\r\n\r\n"

H = TypeVar("H")


class Head:
    """What stands before a body; shared by the requests of a connection that begin alike.

    Header names are in lower case; `content-length` is not among them, it belongs to the body.
    `key_digest` is kept here by whoever works it out.
    """

    __slots__ = ("headers", "http_1_0", "keep_alive", "key_digest", "method", "target")

    def __init__(
        self, method: bytes, target: bytes, headers: dict[bytes, bytes], *, http_1_0: bool
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.http_1_0 = http_1_0
        self.keep_alive = False
        self.key_digest: str | None = None


class Request:
    """A complete request. `began_ns` is of its last byte."""

    __slots__ = ("began_ns", "body", "head")

    def __init__(self, head: Head, body: bytes, began_ns: int) -> None:
        self.head = head
        self.body = body
        self.began_ns = began_ns


class Body(NamedTuple):
    """Where the body begins behind a known head, and its bytes in all."""

    at: int
    size_bytes: int


class KnownHead(Generic[H]):
    """`meaning` is what the parser made of it."""

    __slots__ = ("_after", "_before", "_body_at", "_least_bytes", "_most_bytes", "meaning")

    def __init__(self, before: bytes, digits: int, after: bytes, meaning: H) -> None:
        self._before = before
        self._after = after
        self.meaning = meaning
        self._expect(digits)

    def whole_body(self, data: bytes) -> bytes | None:
        """The body when the data is this head and all of a body, nothing else.

        To write the head that a body of this size has, with as many digits as last time, and to
        compare is less work than to find the length and read it.
        """
        body_at = self._body_at
        size_bytes = len(data) - body_at
        if self._least_bytes <= size_bytes <= self._most_bytes and data.startswith(
            b"%b%d%b" % (self._before, size_bytes, self._after)
        ):
            return data[body_at:]
        body = self.begins(data)
        if body is None or len(data) - body.at != body.size_bytes:
            return None
        self._expect(body.at - len(self._before) - len(self._after))
        return data[body.at :]

    def begins(self, data: bytes) -> Body | None:
        """Where the body is when the data begins with this head."""
        if not data.startswith(self._before):
            return None
        at = len(self._before)
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        digits = data[at:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        return Body(end + len(self._after), int(digits))

    def _expect(self, digits: int) -> None:
        """Lengths of so many digits."""
        self._body_at = len(self._before) + digits + len(self._after)
        self._least_bytes = 10 ** (digits - 1) if digits > 1 else 0
        self._most_bytes = 10**digits - 1


def known_head(data: bytes, length: bytes | None, meaning: H) -> KnownHead[H] | None:
    """Of data that began with a head which was parsed; `length` is its `content-length`."""
    end = data.find(_END, 0, MOST_BYTES)
    if end < 0 or length is None:
        return None
    found = _LENGTH.search(data, 0, end + 2)
    if found is None or found[1] != length:
        return None
    start, stop = found.span(1)
    return KnownHead(data[:start], stop - start, data[stop : end + len(_END)], meaning)
