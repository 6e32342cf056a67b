"""What `transformers serve` 5.23 writes when it fails; captured in `tests/golden/engines`."""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(
        pattern=r"can't allocate memory|DefaultCPUAllocator|MemoryError|Cannot allocate memory"
        r"|std::bad_alloc|OutOfMemoryError",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(pattern=r"address already in use", cause=Cause.PORT_IN_USE),
    LogSign(
        pattern=r"ModuleNotFoundError|Missing dependencies for serving|requires the following "
        r"packages",
        cause=Cause.MISSING_DEPENDENCY,
    ),
    LogSign(
        pattern=r"does not recognize this architecture|Unrecognized model in"
        r"|has no attribute \S*(CausalLM|ConditionalGeneration)|contains custom code",
        cause=Cause.UNSUPPORTED,
    ),
    LogSign(pattern=r"No such option|Invalid value for|Got unexpected", cause=Cause.BAD_FLAG),
    LogSign(
        pattern=r"SafetensorError|JSONDecodeError|is not a valid JSON|no file named|"
        r"size mismatch|does not appear to have|is missing from|Can't load|Couldn't instantiate"
        r"|Unrecognized processing class|`ignore_mismatched_sizes`",
        cause=Cause.BAD_CHECKPOINT,
    ),
)
