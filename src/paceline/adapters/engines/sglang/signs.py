"""What SGLang 0.5.23 writes when it fails, from its sources: none was captured on a card yet."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"OutOfMemoryError|out of memory|Not enough memory|std::bad_alloc|MemoryError",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"[Aa]ddress already in use|at \d+ is not available", cause=Cause.PORT_IN_USE),
    LogSign(pattern=r"sglang serve: error:|launch_server\.py: error:", cause=Cause.BAD_FLAG),
    LogSign(pattern=r"ModuleNotFoundError|ImportError", cause=Cause.MISSING_DEPENDENCY),
    LogSign(
        pattern=r"only supports sm75 and above|is not supported for the current GPU"
        r"|Minimum capability|are not supported for now",
        cause=Cause.UNSUPPORTED,
    ),
    LogSign(
        pattern=r"SafetensorError|JSONDecodeError|HeaderTooLarge|MetadataIncompleteBuffer",
        cause=Cause.BAD_CHECKPOINT,
    ),
)
