"""What the fake engine is told to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """How it fails, if it does."""

    NONE = "none"
    CRASH_AT_START = "crash-at-start"
    OUT_OF_MEMORY = "out-of-memory"
    UNSUPPORTED = "unsupported"
    HANG_AT_START = "hang-at-start"
    CRASH_UNDER_LOAD = "crash-under-load"
    IGNORE_SIGTERM = "ignore-sigterm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Timings of one request and of the whole.

    A request waits for one of `capacity` places, then `first_token_ms`, then `token_ms` for each
    further token. `accuracy` is the share of known questions that are answered rightly.
    `divergence` (0: none, 0.3: like int4) moves what it finds likely away from the truth.
    `memory_mib` is held while it runs.
    """

    start_ms: float = 0.0
    first_token_ms: float = 5.0
    token_ms: float = 1.0
    capacity: int = 8
    accuracy: float = 0.9
    divergence: float = 0.0
    memory_mib: int = 0
    fault: Fault = Fault.NONE


def read_behaviour(text: str) -> Behaviour:
    """From a JSON object of field names; raises TypeError or ValueError for what is none."""
    fields = json.loads(text)
    if "fault" in fields:
        fields["fault"] = Fault(fields["fault"])
    return Behaviour(**fields)
