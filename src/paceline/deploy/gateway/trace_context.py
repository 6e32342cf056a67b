"""W3C Trace Context, level 1: what a client sends of its trace, and what the engine gets of it.

Only clients that trace pay for it. `tracestate` is not passed on.
"""

import hashlib
import re
from typing import Final

_TRACE_PARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SPAN_BYTES: Final = 8
_TRACE_END: Final = 36
"""Of `00-` and the 32 digits of the trace, with the dash behind them."""


def trace_parent(given: bytes) -> bytes | None:
    """The header as it came, when it is one of this version; `None` otherwise."""
    return given if _TRACE_PARENT.fullmatch(given) else None


def span_id(request_id: bytes) -> bytes:
    """Of the request's span, in hex; from its id, so that nobody has to be told."""
    return hashlib.blake2b(request_id, digest_size=_SPAN_BYTES).hexdigest().encode()


def for_engine(parent: bytes, request_id: bytes) -> bytes:
    """The header that makes the engine's spans children of the request's."""
    return parent[:_TRACE_END] + span_id(request_id) + parent[-3:]
