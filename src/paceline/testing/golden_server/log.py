"""What really happened at the server; times in ns on CLOCK_MONOTONIC of this host."""

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

KEPT = 500_000
FIELDS = (
    "request_id",
    "path",
    "received_ns",
    "started_ns",
    "first_ns",
    "last_ns",
    "input_tokens",
    "output_tokens",
    "in_service",
    "ended",
)


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One request. `started_ns` is when it left the queue, `first_ns` and `last_ns` when the
    first and the last output were handed to the kernel."""

    request_id: str
    path: str
    received_ns: int
    input_tokens: int = 0
    output_tokens: int = 0
    started_ns: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    in_service: int = 0
    ended: str = "open"
    chunks_ns: list[int] = field(default_factory=list)


class Log:
    """The last entries, in order of arrival."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    def document(self) -> list[dict[str, object]]:
        return [
            {name: getattr(entry, name) for name in FIELDS}
            | ({"chunks_ns": entry.chunks_ns} if entry.chunks_ns else {})
            for entry in self._entries
        ]

    def write(self, path: str) -> None:
        Path(path).write_text(json.dumps(self.document()))
