"""Messages on the control socket: one JSON object per line, with one key that names its kind.

To the gateway: `{"table": Table}`, `{"metrics": true}`. From it: `{"pulse": Pulse}`,
`{"wake": Wake}`, `{"metrics": "text of a Prometheus page"}`.
"""

from typing import Final

import orjson

from paceline.records.gateway import Pulse, Table, Wake
from paceline.records.serial import Malformed, load

MAX_LINE_BYTES: Final = 64 * 2**20
"""A table of 100,000 keys is about 20 MiB."""

Said = Pulse | Wake | str
"""What the gateway says; text is a page of metrics."""


def table_line(table: Table) -> bytes:
    """A table for the gateway."""
    return orjson.dumps({"table": table}) + b"\n"


METRICS_LINE: Final = b'{"metrics":true}\n'


def said_line(said: Said) -> bytes:
    """What the gateway says, as one line."""
    kind = "pulse" if isinstance(said, Pulse) else "wake" if isinstance(said, Wake) else "metrics"
    return orjson.dumps({kind: said}) + b"\n"


def read_said(line: bytes) -> Said:
    """What the gateway said. Raises Malformed."""
    kind, value = _one_entry(line)
    if kind == "pulse":
        return load(Pulse, value, path="$.pulse")
    if kind == "wake":
        return load(Wake, value, path="$.wake")
    if kind == "metrics" and isinstance(value, str):
        return value
    raise Malformed("$", f"{kind!r} is nothing that a gateway says")


def read_told(line: bytes) -> Table | None:
    """What the supervisor told: a table, or `None` when it asks for metrics. Raises Malformed."""
    kind, value = _one_entry(line)
    if kind == "table":
        return load(Table, value, path="$.table")
    if kind == "metrics":
        return None
    raise Malformed("$", f"{kind!r} is nothing that a supervisor tells")


def _one_entry(line: bytes) -> tuple[str, object]:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed("$", f"no JSON: {error}") from error
    if not isinstance(message, dict) or len(message) != 1:
        raise Malformed("$", "an object with exactly one key belongs here")
    kind, value = next(iter(message.items()))
    return kind, value
