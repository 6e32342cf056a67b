"""What TensorRT-LLM 1.2 writes when it fails, from its sources: none was captured on a card yet."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"OutOfMemoryError|out of memory|std::bad_alloc|MemoryError",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"Failed to bind socket to|[Aa]ddress already in use", cause=Cause.PORT_IN_USE),
    LogSign(pattern=r"No such option|Invalid value for|extra_forbidden", cause=Cause.BAD_FLAG),
    LogSign(
        pattern=r"ModuleNotFoundError|ImportError|cannot open shared object file",
        cause=Cause.MISSING_DEPENDENCY,
    ),
    LogSign(pattern=r"SafetensorError|JSONDecodeError", cause=Cause.BAD_CHECKPOINT),
)
