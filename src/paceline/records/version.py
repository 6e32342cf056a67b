"""What runs leave on a pipeline, and what a variant died of."""

from dataclasses import dataclass
from typing import Final

from paceline.records.hardware import HostFingerprint
from paceline.records.launch import Cause
from paceline.records.variant import Variant

LASTING: Final = frozenset({Cause.UNSUPPORTED, Cause.BAD_FLAG})
"""Causes that a variant meets again under any load. Not memory: a shorter load may fit, and what
looks like it may have been somebody's `kill -9`, or others who used it just then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The choice of one run; never changed, never deleted. `number` counts from 1 per pipeline."""

    pipeline: str
    number: int
    run_id: str
    variant: Variant
    receipt_sha256: str
    created_at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline with its `current` version: what the next deployment takes."""

    name: str
    current: int
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFact:
    """A variant of this exact model died on this exact engine version; later runs need not try.

    `model_sha256` is `Model.sha256`, so renamed or moved folders still match. `host` is the
    machine that it died on, `None` where that was not noted.
    """

    model_sha256: str
    engine_version: str
    variant: Variant
    cause: Cause
    detail: str
    run_id: str
    at_utc: str
    host: HostFingerprint | None = None
