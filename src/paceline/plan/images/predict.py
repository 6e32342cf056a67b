"""How long a picture takes, before any was made: operations over rates, and what comes on top.

Rates are data-sheet peaks times the share of them that pipelines of Diffusers reach. The shares
were set by hand so that published times of FLUX.1 [schnell] come out (tests/unit/plan/images);
nothing was fitted, and the bands say how far off the time may be.
"""

import math
from dataclasses import dataclass
from typing import Final

from paceline.money import HOURS_PER_MONTH, SECONDS_PER_HOUR
from paceline.plan.facts.tables import Device
from paceline.plan.images.memory import ImageMemory, image_memory
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

EAGER: Final = 0.48
COMPILED: Final = 0.60
"""Of the 16-bit peak of a card, for the layers of a denoiser."""
NARROW: Final = {"Hopper": 0.40, "Blackwell": 0.35}
NARROW_OTHERS: Final = 0.55
"""Of the 8-bit peak, compiled: the wider the unit, the more the quantizing of inputs costs."""
NARROW_EAGER: Final = 0.5
"""Of what is reached compiled: quantizing the inputs is then a pass of its own per layer."""
CONVOLUTIONS: Final = 0.30
PROCESSOR: Final = 0.30
"""Of a processor's peak, any layer."""
CALL_S: Final = {"gpu": 0.0004, "cpu": 0.0015}
"""Per block and step for Python and launches, where nothing is compiled; a third where it is."""
PICTURE_S: Final = {"gpu": 0.015, "cpu": 0.02}
"""Per batch: reading the request, the scheduler, PNG."""
BUS_GB_S: Final = 20.0
"""Pinned memory over PCIe 4, 16 lanes."""
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
    return family.negative_prompt and guidance > 1


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
    """The roofline of one batch: operations only, since weights are read once for thousands of
    positions."""
    kind = "cpu" if place.device.kind == "cpu" else "gpu"
    passes = (family.steps if load.steps is None else load.steps) * (
        2 if is_guided(load, family) else 1
    )
    each = shape.denoiser.operations(load.width_px, load.height_px)
    wide = _rate(place, narrow=False)
    step_s = each.linear / _rate(place, narrow=True) + each.attention / wide
    calls_s = CALL_S[kind] * shape.denoiser.blocks * (1 / 3 if place.compiled else 1.0)
    steps = family.steps if load.steps is None else load.steps
    memory = memory_of(shape, load, family, place)
    decode = shape.decoder.operations(load.width_px, load.height_px)
    share = PROCESSOR if kind == "cpu" else CONVOLUTIONS
    return ImageTimes(
        pictures=place.pictures,
        encode_s=place.pictures * shape.encode_operations() / wide,
        denoise_s=place.pictures * passes * step_s,
        decode_s=place.pictures * decode / (place.device.tflops_16bit * 1e12 * share),
        move_s=memory.moved_gib * 1.074 / BUS_GB_S,
        other_s=PICTURE_S[kind] + steps * calls_s,
        start_s=_start_s(memory, place),
    )


def _rate(place: ImagePlace, *, narrow: bool) -> float:
    """Operations per second of linear layers; `narrow` where the format's own unit does them."""
    device = place.device
    peak = device.tflops_16bit * 1e12
    if device.kind == "cpu":
        integers = device.tops_int8 if narrow and place.format == "int8" else None
        # Only the multiplication is in integers; inputs are quantized in each layer.
        return PROCESSOR * (peak if integers is None else (peak + integers * 1e12) / 2)
    eights = {"fp8": device.tflops_fp8, "int8": device.tops_int8}.get(place.format)
    if narrow and eights is not None:
        share = NARROW.get(device.architecture, NARROW_OTHERS)
        return eights * 1e12 * share * (1.0 if place.compiled else NARROW_EAGER)
    return peak * (COMPILED if place.compiled else EAGER)


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
