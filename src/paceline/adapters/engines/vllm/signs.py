"""What vLLM 0.32 writes when it fails; captured in `tests/golden/engines`.

The first that is found decides, so causes that name themselves stand before general ones.
"""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"out of memory|OutOfMemoryError|Cannot allocate memory|can't allocate memory"
        r"|MemoryError|std::bad_alloc|No available memory for the cache blocks"
        r"|larger than the available KV cache memory|Not enough memory|less than desired"
        r"|insufficient memory",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"[Aa]ddress already in use", cause=Cause.PORT_IN_USE),
)
