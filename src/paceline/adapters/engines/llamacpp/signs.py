"""What `llama-server` (0.5.0-dev, 0c1e570) writes when it fails; see `tests/golden/engines`."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"std::bad_alloc|failed to allocate|Cannot allocate memory|unable to allocate"
        r"|failed to create thread|Resource temporarily unavailable",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"couldn't bind HTTP server socket", cause=Cause.PORT_IN_USE),
    LogSign(
        pattern=r"cannot open shared object file|ModuleNotFoundError|cannot start ",
        cause=Cause.MISSING_DEPENDENCY,
    ),
    LogSign(
        pattern=r"error: invalid argument|error while handling argument|expected value for",
        cause=Cause.BAD_FLAG,
    ),
    LogSign(
        pattern=r"unknown model architecture|unknown pre-tokenizer type|unsupported",
        cause=Cause.UNSUPPORTED,
    ),
    LogSign(
        pattern=r"failed to load model|error loading model|failed to read magic",
        cause=Cause.BAD_CHECKPOINT,
    ),
)
