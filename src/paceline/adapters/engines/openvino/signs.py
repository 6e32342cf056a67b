"""What our OpenVINO server (OpenVINO 2026.4) writes when it fails; see `tests/golden/engines`."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"std::bad_alloc|MemoryError|Cannot allocate memory|can't allocate memory"
        r"|Failed to allocate|larger than available memory|can't start new thread"
        r"|Resource temporarily unavailable",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"cannot listen on port", cause=Cause.PORT_IN_USE),
    LogSign(
        pattern=r"ModuleNotFoundError|ImportError|cannot open shared object file",
        cause=Cause.MISSING_DEPENDENCY,
    ),
    LogSign(pattern=r"openvino_server: error: ", cause=Cause.BAD_FLAG),
    LogSign(
        pattern=r"Unsupported|not supported|Not Implemented|No available devices|"
        r"is not registered in the OpenVINO Runtime",
        cause=Cause.UNSUPPORTED,
    ),
    LogSign(pattern=r"cannot load ", cause=Cause.BAD_CHECKPOINT),
)
