"""What our image server (Diffusers 0.42) writes when it fails; see `tests/golden/engines`."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"OutOfMemory|out of memory|std::bad_alloc|MemoryError|can't allocate memory"
        r"|Cannot allocate memory|can't start new thread|failed to map segment",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"cannot listen on port", cause=Cause.PORT_IN_USE),
    LogSign(
        pattern=r"ModuleNotFoundError|ImportError|cannot open shared object file",
        cause=Cause.MISSING_DEPENDENCY,
    ),
    LogSign(pattern=r"image_server: error: ", cause=Cause.BAD_FLAG),
    LogSign(pattern=r"cannot serve ", cause=Cause.UNSUPPORTED),
    LogSign(pattern=r"cannot load ", cause=Cause.BAD_CHECKPOINT),
)
