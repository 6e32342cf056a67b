"""What to predict: one deployment under one load, or many of them as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from paceline.plan.facts.tables import Device, EngineFacts, Format
from paceline.plan.shapes import Shape

Array: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.intp]
T = TypeVar("T")


class Load(IntEnum):
    """How requests arrive."""

    CLOSED = 0
    """A fixed number in flight."""
    STATIC = 1
    """One batch that starts and ends together."""
    SINGLE = 2
    """One request at a time."""
    OFFLINE = 3
    """Everything at once; the engine takes as much as it can hold."""
    BURST = 4
    """A short burst whose effective concurrency is given."""
    OPEN = 5
    """Arrivals at a rate, whatever the server does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One variant under one load. Unknown numbers are `None`."""

    shape: Shape
    device: Device
    engine: EngineFacts
    weights: Format
    count: int
    """Devices in all."""
    tensor_parallel: int
    pipeline_parallel: int
    expert_parallel: int
    data_parallel: int
    kv_bits: float
    load: Load
    input_tokens: float
    output_tokens: float
    concurrency: float | None
    requests_per_s: float | None
    release_year: float | None
    """When the engine version came out, as a decimal year."""
    max_sequences: float | None = None
    """Sequences that decode at once per lane, when the engine is told; else its default."""
    memory_share: float | None = None
    """Share of a device, 0 to 1, when the engine is told; else its default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Many deployments: small tables of what occurs, and arrays `[deployments]` over them.

    `*_at` index the tables. Not-a-number means unknown in `concurrency`, `requests_per_s` and
    `release_year`, and the engine's default in `max_sequences` and `memory_share`.
    """

    shapes: Sequence[Shape]
    devices: Sequence[Device]
    engines: Sequence[EngineFacts]
    formats: Sequence[Format]
    shape_at: Index
    device_at: Index
    engine_at: Index
    format_at: Index
    count: Array
    tensor_parallel: Array
    pipeline_parallel: Array
    expert_parallel: Array
    data_parallel: Array
    kv_bits: Array
    load: Index
    input_tokens: Array
    output_tokens: Array
    concurrency: Array
    requests_per_s: Array
    release_year: Array
    max_sequences: Array
    memory_share: Array

    def __len__(self) -> int:
        return len(self.count)


def batch_of(deployments: Sequence[Deployment]) -> Batch:
    """Lay deployments out as arrays, in their order."""
    shapes, shape_at = _table([d.shape for d in deployments])
    devices, device_at = _table([d.device for d in deployments])
    engines, engine_at = _table([d.engine for d in deployments])
    formats, format_at = _table([d.weights for d in deployments])
    return Batch(
        shapes=shapes,
        devices=devices,
        engines=engines,
        formats=formats,
        shape_at=shape_at,
        device_at=device_at,
        engine_at=engine_at,
        format_at=format_at,
        count=_numbers([d.count for d in deployments]),
        tensor_parallel=_numbers([d.tensor_parallel for d in deployments]),
        pipeline_parallel=_numbers([d.pipeline_parallel for d in deployments]),
        expert_parallel=_numbers([d.expert_parallel for d in deployments]),
        data_parallel=_numbers([d.data_parallel for d in deployments]),
        kv_bits=_numbers([d.kv_bits for d in deployments]),
        load=np.array([int(d.load) for d in deployments], dtype=np.intp),
        input_tokens=_numbers([d.input_tokens for d in deployments]),
        output_tokens=_numbers([d.output_tokens for d in deployments]),
        concurrency=_numbers([d.concurrency for d in deployments]),
        requests_per_s=_numbers([d.requests_per_s for d in deployments]),
        release_year=_numbers([d.release_year for d in deployments]),
        max_sequences=_numbers([d.max_sequences for d in deployments]),
        memory_share=_numbers([d.memory_share for d in deployments]),
    )


def _numbers(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _table(items: Sequence[T]) -> tuple[list[T], Index]:
    """Distinct items in order of appearance, and each item's place among them."""
    place: dict[T, int] = {}
    at = [place.setdefault(item, len(place)) for item in items]
    return list(place), np.array(at, dtype=np.intp)
