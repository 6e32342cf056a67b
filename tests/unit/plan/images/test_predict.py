from dataclasses import replace

import pytest

from paceline.plan.facts.tables import device
from paceline.plan.images.known import known_image_shape
from paceline.plan.images.predict import (
    WIDE,
    ImagePlace,
    ImageTimes,
    image_figures,
    image_times,
    is_guided,
    memory_of,
)
from paceline.plan.images.shape import ImageShape
from paceline.records.image import ImageLoad
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.request import Workload
from paceline.spec.workloads import PRESETS

SCHNELL = IMAGE_FAMILIES["flux-schnell"]
SQUARE = ImageLoad(width_px=1024, height_px=1024)


def shape(family: str = "flux-schnell") -> ImageShape:
    found = known_image_shape(family)
    assert found is not None
    return found


def place(
    name: str, format_: str, *, compiled: bool = False, offload: bool = False, pictures: int = 1
) -> ImagePlace:
    return ImagePlace(
        device=device(name),
        format=format_,
        compiled=compiled,
        offload=offload,
        pictures=pictures,
    )


def seconds(at: ImagePlace) -> float:
    return image_times(shape(), SQUARE, SCHNELL, at).batch_s


# Published for FLUX.1 [schnell], 1024 x 1024, 4 steps; seconds of one picture.
PUBLISHED = (
    (place("L4-24GB", "fp8", compiled=True, offload=True), 2.5),
    (place("L40S-48GB", "fp8", compiled=True), 1.0),
    (place("A100-SXM-40GB", "fp16", compiled=True), 1.6),
    (place("H100-SXM-80GB", "fp8", compiled=True), 0.6),
)


@pytest.mark.parametrize(("at", "published_s"), PUBLISHED)
def test_published_times_lie_within_the_band(at: ImagePlace, published_s: float) -> None:
    assert 1 / WIDE["gpu"] < published_s / seconds(at) < WIDE["gpu"]


@pytest.mark.parametrize(("at", "published_s"), PUBLISHED[1:])
def test_where_nothing_is_moved_they_are_met_within_a_quarter(
    at: ImagePlace, published_s: float
) -> None:
    assert seconds(at) == pytest.approx(published_s, rel=0.25)


def test_one_published_time_is_beyond_what_the_card_can_do() -> None:
    # A10G, fp16, 2.0 s: the operations alone take longer at the full peak of the data sheet, and
    # 22 GiB of weights leave no room on the card. The prediction does not follow it.
    at = place("A10G-24GB", "fp16", offload=True)
    step = shape().denoiser.operations(1024, 1024)
    at_peak_s = SCHNELL.steps * (step.linear + step.attention) / (at.device.tflops_16bit * 1e12)
    assert at_peak_s > 2.0
    assert seconds(at) > at_peak_s
    assert not memory_of(shape(), SQUARE, SCHNELL, at).fits


def test_a_small_card_needs_parts_to_take_turns() -> None:
    at_once = memory_of(shape(), SQUARE, SCHNELL, place("L4-24GB", "fp8"))
    turns = memory_of(shape(), SQUARE, SCHNELL, place("L4-24GB", "fp8", offload=True))
    assert not at_once.fits
    assert turns.fits
    assert turns.need_gib < 16
    assert at_once.moved_gib == 0 < turns.moved_gib
    assert "the largest part" in turns.parts
    assert f"= {at_once.need_gib:.1f} GiB" in at_once.parts


def test_a_large_card_holds_everything() -> None:
    memory = memory_of(shape(), SQUARE, SCHNELL, place("H100-SXM-80GB", "bf16"))
    assert memory.fits
    assert memory.denoiser_gib == pytest.approx(22, abs=0.5)


@pytest.mark.parametrize(
    ("slower", "faster"),
    [
        (place("H100-SXM-80GB", "bf16"), place("H100-SXM-80GB", "bf16", compiled=True)),
        (
            place("H100-SXM-80GB", "bf16", compiled=True),
            place("H100-SXM-80GB", "fp8", compiled=True),
        ),
        (place("L40S-48GB", "fp8", offload=True), place("L40S-48GB", "fp8")),
        (place("L4-24GB", "fp8"), place("H100-SXM-80GB", "fp8")),
    ],
)
def test_what_is_faster(slower: ImagePlace, faster: ImagePlace) -> None:
    assert seconds(faster) < seconds(slower)


def test_guidance_doubles_the_work_of_families_that_know_an_opposite() -> None:
    sdxl = IMAGE_FAMILIES["sdxl"]
    assert is_guided(SQUARE, sdxl)
    assert not is_guided(replace(SQUARE, guidance=0.0), sdxl)
    assert not is_guided(SQUARE, IMAGE_FAMILIES["flux-dev"])
    at = place("H100-SXM-80GB", "bf16", compiled=True)
    plain = image_times(shape("sdxl"), replace(SQUARE, guidance=1.0), sdxl, at)
    guided = image_times(shape("sdxl"), SQUARE, sdxl, at)
    assert 1.5 < guided.denoise_s / plain.denoise_s <= 2


def times(pictures: int = 1, work_s: float = 1.0) -> ImageTimes:
    return ImageTimes(
        pictures=pictures,
        encode_s=0.0,
        denoise_s=work_s * pictures,
        decode_s=0.0,
        move_s=0.0,
        other_s=1.0,
        start_s=10.0,
    )


def figures(workload: Workload, at: ImageTimes) -> dict[str, float]:
    on = place("H100-SXM-80GB", "bf16")
    memory = memory_of(shape(), SQUARE, SCHNELL, on)
    found = image_figures(at, memory, workload, device=on.device, usd_per_hour=3.6)
    for metric in found.values():
        assert metric.band90.lo <= metric.value <= metric.band90.hi
    return {name: metric.value for name, metric in found.items()}


def test_a_closed_loop_waits_for_itself() -> None:
    alone = figures(PRESETS["image"], times())
    assert alone["e2e_p50_ms"] == 2000
    assert alone["requests_per_s"] == 0.5
    assert alone["cost_usd_per_image"] == pytest.approx(0.002)
    four = figures(replace(PRESETS["image"], concurrency=4), times())
    assert four["e2e_p50_ms"] == 8000
    assert four["requests_per_s"] == 0.5


def test_a_batch_shares_what_does_not_grow() -> None:
    load = replace(PRESETS["image"], concurrency=4)
    assert figures(load, times(pictures=4))["requests_per_s"] == pytest.approx(4 / 5)
    half_full = replace(load, concurrency=2)
    assert figures(half_full, times(pictures=4))["requests_per_s"] == pytest.approx(2 / 3)


def test_an_open_loop_waits_in_a_queue_and_has_no_time_when_it_is_overrun() -> None:
    load = replace(PRESETS["image"], rate_rps=0.25)
    found = figures(load, times())
    assert found["e2e_mean_ms"] == pytest.approx(2000 * 1.5)
    assert found["scheduled_e2e_mean_ms"] == found["e2e_mean_ms"]
    overrun = figures(replace(load, rate_rps=1.0), times())
    assert "e2e_mean_ms" not in overrun
    assert overrun["requests_per_s"] == 0.5
