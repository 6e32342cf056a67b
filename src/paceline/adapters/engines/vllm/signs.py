"""What vLLM 0.32 writes when it fails; captured in `tests/golden/engines`.

The first that is found decides. Its logs print every setting of the engine, `trust_remote_code` and
`quantization` among them, so no sign is a bare name of one.
"""

from typing import Final

from paceline.records.launch import Cause
from paceline.records.log_signs import LogSign

SIGNS: Final = (
    LogSign(pattern=r"[Aa]ddress already in use", cause=Cause.PORT_IN_USE),
    LogSign(
        pattern=r"Cannot allocate memory|can't allocate memory|OutOfMemoryError|MemoryError"
        r"|std::bad_alloc|CUDA out of memory|No available memory for the cache blocks"
        r"|larger than the available KV cache memory|KV cache is needed, which is larger"
        r"|is less than requested memory for kv|is less than desired .*memory utilization"
        r"|failed to map segment from shared object|Resource temporarily unavailable"
        r"|can't start new thread",
        cause=Cause.OUT_OF_MEMORY,
    ),
    LogSign(
        pattern=r"GatedRepoError|RepositoryNotFoundError|LocalEntryNotFoundError"
        r"|OfflineModeIsEnabled|Access to model \S+ is restricted|We couldn't connect to"
        r"|outgoing traffic has been disabled|not a local folder and is not a valid model",
        cause=Cause.GATED,
    ),
    LogSign(
        pattern=r"contains custom code which must|pass the argument `trust_remote_code=True`",
        cause=Cause.REMOTE_CODE,
    ),
    LogSign(
        pattern=r"vllm( serve)?: error: |Value error, max_num_batched_tokens|must be divisible by "
        r"(the )?tensor|Number of experts in the model must be",
        cause=Cause.BAD_FLAG,
    ),
    LogSign(
        pattern=r"does not recognize this architecture|are not supported for now"
        r"|Failed to find a kernel that can implement|is not divisible by group_size"
        r"|Minimum capability|is only supported on GPUs with compute capability"
        r"|quantization is currently not supported",
        cause=Cause.UNSUPPORTED,
    ),
    LogSign(
        pattern=r"SafetensorError|Cannot find any model weights|Couldn't instantiate the backend"
        r"|Unterminated string|EOF while parsing|JSONDecodeError|Expecting value: line"
        r"|exceeds dimension size|does not appear to have a file named|size mismatch",
        cause=Cause.BAD_CHECKPOINT,
    ),
    LogSign(
        pattern=r"ModuleNotFoundError|ImportError|cannot open shared object file",
        cause=Cause.MISSING_DEPENDENCY,
    ),
)
