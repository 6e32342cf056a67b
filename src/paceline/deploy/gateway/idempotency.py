"""Answers kept for requests that carry an Idempotency-Key: a repeat gets the same answer.

Kept in memory and, where there is a `Kept`, by that as well, for the gateway that is started next.
Answers that are no success are not kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

KEPT_S: Final = 24 * 3600.0
MOST_BYTES: Final = 64 * 2**20
MOST_ENTRIES: Final = 100_000
MOST_ANSWER_BYTES: Final = 4 * 2**20
ENTRY_BYTES: Final = 500
"""About what an entry takes besides its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client was answered; `retry_after` (whole seconds) goes with some refusals."""

    status: int
    content_type: bytes
    body: bytes
    retry_after: int | None = None


Waiter = Callable[[Answer], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One key that was used: with an answer, or with those who wait for it."""

    name: tuple[str, bytes]
    digest: bytes
    began_s: float
    answer: Answer | None = None
    waiters: list[Waiter] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """About what it takes."""
        return ENTRY_BYTES + (len(self.answer.body) if self.answer is not None else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an earlier process answered, and how long ago."""

    digest: bytes
    age_s: float
    answer: Answer


class Kept(Protocol):
    """Outlives this process."""

    def find(self, name: tuple[str, bytes]) -> Found | None: ...

    def keep(self, name: tuple[str, bytes], digest: bytes, answer: Answer) -> None: ...


class Idempotency:
    """Entries by (who asked, their key), the oldest first."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept
        self._entries: OrderedDict[tuple[str, bytes], Entry] = OrderedDict()
        self._bytes = 0

    def find(self, name: tuple[str, bytes], now_s: float) -> Entry | None:
        """What is known of a key."""
        entry = self._entries.get(name)
        if entry is not None and entry.answer is not None and now_s - entry.began_s > KEPT_S:
            self._forget(entry)
            return None
        if entry is None and self._kept is not None:
            found = self._kept.find(name)
            if found is not None:
                entry = self.begin(name, found.digest, now_s - found.age_s)
                self._put(entry, found.answer)
        return entry

    def begin(self, name: tuple[str, bytes], digest: bytes, now_s: float) -> Entry:
        """The first request with a key; `digest` is of its body."""
        entry = Entry(name=name, digest=digest, began_s=now_s)
        self._entries[name] = entry
        self._bytes += ENTRY_BYTES
        self._make_room()
        return entry

    def finish(self, entry: Entry, answer: Answer) -> None:
        """It was answered: tell those who wait, and keep what may be repeated."""
        waiters, entry.waiters = entry.waiters, []
        if self._entries.get(entry.name) is entry:
            if answer.status < 300 and len(answer.body) <= MOST_ANSWER_BYTES:  # noqa: PLR2004
                self._put(entry, answer)
                if self._kept is not None:
                    self._kept.keep(entry.name, entry.digest, answer)
            else:
                self._forget(entry)
        for waiter in waiters:
            waiter(answer)

    def _put(self, entry: Entry, answer: Answer) -> None:
        entry.answer = answer
        self._bytes += len(answer.body)
        self._make_room()

    def _make_room(self) -> None:
        while self._bytes > MOST_BYTES or len(self._entries) > MOST_ENTRIES:
            done = next((one for one in self._entries.values() if one.answer is not None), None)
            if done is None:
                return
            self._forget(done)

    def _forget(self, entry: Entry) -> None:
        if self._entries.pop(entry.name, None) is entry:
            self._bytes -= entry.bytes
