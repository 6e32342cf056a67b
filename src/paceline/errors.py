"""Every error Paceline raises on purpose, sorted by who must act.

    PacelineError
    ├── SpecError        the user edits the request            exit 2
    ├── SetupError       the operator mends the machine        exit 3
    ├── CapacityError    try again later                       exit 4
    └── CandidateError   one variant died: recorded, not fatal

Anything else is a bug of ours, keeps its traceback and exits 1. Two outcomes are not errors but
have exit codes of their own: no variant satisfies the constraints (5), verification failed (6).
"""

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """Stable names of errors; each has a heading in `docs/reference/errors.md`."""

    ADDRESS_IN_USE = "address-in-use"
    BAD_CONSTRAINT = "bad-constraint"
    BAD_INPUT_FILE = "bad-input-file"
    BAD_MODEL = "bad-model"
    BAD_OPTION = "bad-option"
    BUDGET_TOO_SMALL = "budget-too-small"
    CACHE_UNWRITABLE = "cache-unwritable"
    CONTRADICTION = "contradiction"
    DAMAGED_CHECKPOINT = "damaged-checkpoint"
    DEVICE_BUSY = "device-busy"
    DISK_FULL = "disk-full"
    DOES_NOT_FIT = "does-not-fit"
    ENDPOINT_FAILED = "endpoint-failed"
    ENDPOINT_UNREACHABLE = "endpoint-unreachable"
    ENGINE_FAILED = "engine-failed"
    ENGINE_NOT_INSTALLED = "engine-not-installed"
    GATEWAY_FAILED = "gateway-failed"
    HUB_UNREACHABLE = "hub-unreachable"
    INSTALL_FAILED = "install-failed"
    LICENSE_NOT_ACCEPTED = "license-not-accepted"
    MISSING_TOOL = "missing-tool"
    MODEL_GATED = "model-gated"
    NOT_UNDERSTOOD = "not-understood"
    PLUGIN_BROKEN = "plugin-broken"
    PORT_IN_USE = "port-in-use"
    RATE_LIMITED = "rate-limited"
    QUOTA_SPENT = "quota-spent"
    RUN_BUSY = "run-busy"
    SCORER_FAILED = "scorer-failed"
    SERVE_BUSY = "serve-busy"
    STORE_UNUSABLE = "store-unusable"
    SUITE_CHANGED = "suite-changed"
    TOO_MANY_FILES = "too-many-files"
    UNKNOWN_ARCHITECTURE = "unknown-architecture"
    UNKNOWN_NAME = "unknown-name"
    UNSUPPORTED = "unsupported"


class PacelineError(Exception):
    """What failed, why (both sides of the comparison, with units) and what to type next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: Code, what: str, *, why: str, fix: str) -> None:
        super().__init__(code, what, why, fix)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} [{self.code}]\n  why: {self.why}\n  fix: {self.fix}"


class SpecError(PacelineError):
    """The request is wrong; the user edits it."""

    exit_code = 2


class SetupError(PacelineError):
    """The machine or the installation is wrong; the operator mends it."""

    exit_code = 3


class CapacityError(PacelineError):
    """Nothing is wrong, there is just no room now; try again later."""

    exit_code = 4


class CandidateError(PacelineError):
    """One variant died. The run records it and goes on."""


def reason_of(error: Exception) -> str:
    """What a library says, for `why`; of the system's errors without the path, which `what` has."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} (errno {error.errno})"
    return str(error)
