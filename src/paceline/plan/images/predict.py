"""How long a picture takes, before any was made: operations over rates, and what comes on top.

Rates are data-sheet figures times measured shares of them (`rates`). Nothing was fitted to times of
whole pictures, and the bands say how far off those may be.
"""

import math
from dataclasses import dataclass
from typing import Final

from paceline.money import HOURS_PER_MONTH, SECONDS_PER_HOUR
from paceline.plan.facts.tables import Device
from paceline.plan.images.memory import HALF, ImageMemory, image_memory
from paceline.plan.images.rates import PAGEABLE_GB_S, WAYS, rates_of
from paceline.plan.images.shape import ImageShape
from paceline.records.image import ImageFamily, ImageLoad
from paceline.records.measurement import Interval
from paceline.records.metric_names import (
    COLD_START_S,
    COST_USD_PER_IMAGE,
    COST_USD_PER_MONTH,
    COST_USD_PER_REQUEST,
    MEMORY_PERCENT,
    PEAK_MEMORY_GIB,
    REQUESTS_PER_S,
    latency_name,
)
from paceline.records.plan import PredictedMetric
from paceline.records.request import Workload

GUIDED_BY_INPUT: Final = ("FluxPipeline",)
"""Pipelines whose denoiser reads the guidance as a number, in one pass."""
PICTURE_S: Final = {"gpu": 0.015, "cpu": 0.02}
"""Per batch: reading the request, the scheduler, PNG."""
DISK_GB_S: Final = 1.5
IMPORT_S: Final = 8.0
COMPILE_S: Final = 35.0
"""First call of compiled blocks: 23 to 87 s seen with Diffusers 0.42 on two cores."""
QUANTIZE_GB_S: Final = 2.0
WIDE: Final = {"gpu": 2.2, "cpu": 4.0}
"""Half width of the 90 % band of a time, as a factor. No deployment was left out to test it."""
WIDE_START: Final = 3.0
TAIL: Final = 1.15
"""p95 over the median of a loop: pictures of one size take the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlace:
    """What runs the pipeline, in which format and with which knobs."""

    device: Device
    format: str
    compiled: bool = False
    pictures: int = 1
    offload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTimes:
    """Seconds for one batch of `pictures`, and of a start."""

    pictures: int
    encode_s: float
    denoise_s: float
    decode_s: float
    move_s: float
    other_s: float
    """Launches and what comes around a batch: as long for one picture as for many."""
    start_s: float

    @property
    def fixed_s(self) -> float:
        """What a batch takes however few pictures are in it."""
        return self.move_s + self.other_s

    @property
    def batch_s(self) -> float:
        return self.encode_s + self.denoise_s + self.decode_s + self.fixed_s


def is_guided(load: ImageLoad, family: ImageFamily) -> bool:
    """Whether each step works on the prompt and on its opposite: classifier-free guidance."""
    guidance = family.guidance if load.guidance is None else load.guidance
    return family.pipeline not in GUIDED_BY_INPUT and guidance > 1


def memory_of(
    shape: ImageShape, load: ImageLoad, family: ImageFamily, place: ImagePlace
) -> ImageMemory:
    """What the variant needs of its device."""
    return image_memory(
        shape,
        load,
        format_=place.format,
        memory_gib=place.device.memory_gib,
        kind="cpu" if place.device.kind == "cpu" else "gpu",
        pictures=place.pictures * (2 if is_guided(load, family) else 1),
        offload=place.offload,
    )


def image_times(
    shape: ImageShape, load: ImageLoad, family: ImageFamily, place: ImagePlace
) -> ImageTimes:
    """One batch: operations over rates, and what the blocks read and write between them. Weights
    are not counted: they are read once for thousands of positions."""
    rates = rates_of(place.device, place.format, compiled=place.compiled)
    steps = family.steps if load.steps is None else load.steps
    each = shape.denoiser.operations(load.width_px, load.height_px)
    between = shape.denoiser.states(load.width_px, load.height_px) * rates.widths_between * HALF
    step_s = each.linear / rates.linear + each.attention / rates.attention
    step_s += between / rates.streaming
    decode = shape.decoder.operations(load.width_px, load.height_px)
    memory = memory_of(shape, load, family, place)
    kind = "cpu" if place.device.kind == "cpu" else "gpu"
    return ImageTimes(
        pictures=place.pictures,
        encode_s=place.pictures * shape.encode_operations() / rates.text,
        denoise_s=place.pictures * steps * (2 if is_guided(load, family) else 1) * step_s,
        decode_s=place.pictures * decode / rates.convolution,
        move_s=memory.moved_gib * 1.074 * WAYS / PAGEABLE_GB_S,
        other_s=PICTURE_S[kind] + steps * shape.denoiser.blocks * rates.call_s,
        start_s=_start_s(memory, place),
    )


def _start_s(memory: ImageMemory, place: ImagePlace) -> float:
    stored_gb = (memory.denoiser_gib + memory.encoders_gib + memory.decoder_gib) * 1.074
    quantized = place.format not in ("bf16", "fp16", "fp32")
    return (
        IMPORT_S
        + stored_gb / DISK_GB_S
        + (memory.denoiser_gib / QUANTIZE_GB_S if quantized else 0.0)
        + (COMPILE_S if place.compiled else 0.0)
    )


def image_figures(
    times: ImageTimes,
    memory: ImageMemory,
    workload: Workload,
    *,
    device: Device,
    usd_per_hour: float | None,
) -> dict[str, PredictedMetric]:
    """The figures of the JSON contract under `workload`, with 90 % bands.

    A closed loop of N requests waits for itself: each takes N over the rate (Little's law). An open
    loop waits as in a queue with one server and constant service (Pollaczek and Khinchine).
    """
    kind = "cpu" if device.kind == "cpu" else "gpu"
    rate, e2e_s = _queue(times, workload)
    found = {REQUESTS_PER_S: _metric(rate, "requests/s", WIDE[kind])}
    if math.isfinite(e2e_s):
        for statistic, factor in (("mean", 1.0), ("p50", 1.0), ("p95", TAIL)):
            metric = _metric(e2e_s * factor * 1e3, "ms", WIDE[kind])
            found[latency_name("e2e", statistic)] = metric
            if workload.rate_rps is not None:
                found[latency_name("scheduled_e2e", statistic)] = metric
    if usd_per_hour is not None:
        usd = usd_per_hour / SECONDS_PER_HOUR / rate
        found[COST_USD_PER_IMAGE] = _metric(usd, "usd/image", WIDE[kind])
        found[COST_USD_PER_REQUEST] = _metric(usd, "usd/request", WIDE[kind])
        month = usd_per_hour * HOURS_PER_MONTH
        found[COST_USD_PER_MONTH] = _metric(month, "usd/month", 1.0)
    found[PEAK_MEMORY_GIB] = _metric(memory.need_gib, "GiB", 1.3)
    share = 100 * memory.need_gib / device.memory_gib
    found[MEMORY_PERCENT] = _metric(share, "%", 1.3)
    found[COLD_START_S] = _metric(times.start_s + times.batch_s, "s", WIDE_START)
    return found


def _queue(times: ImageTimes, workload: Workload) -> tuple[float, float]:
    """Requests per second and seconds per request; infinite where more arrive than are made."""
    if workload.rate_rps is None:
        together = min(times.pictures, workload.concurrency)
        # A batch that is not full does not pay for its empty places.
        batch_s = times.fixed_s + (times.batch_s - times.fixed_s) * together / times.pictures
        rate = together / batch_s
        return rate, workload.concurrency / rate
    most = times.pictures / times.batch_s
    busy = workload.rate_rps / most
    if busy >= 1:
        return most, math.inf
    return workload.rate_rps, times.batch_s * (1 + busy / (2 * (1 - busy)))


def _metric(value: float, unit: str, factor: float) -> PredictedMetric:
    band = Interval(lo=value / factor, hi=value * factor)
    return PredictedMetric(value=value, unit=unit, band90=band)
