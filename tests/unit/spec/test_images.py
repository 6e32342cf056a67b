from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.records.image import Mode, Sampler
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.request import Request
from paceline.spec.images import (
    model_of_mode,
    preset_of_family,
    refuse_unfitting,
    require_license,
    usual_preset,
)
from paceline.spec.read import Asked, RequestText, read_request

SCHNELL = IMAGE_FAMILIES["flux-schnell"]
SDXL = IMAGE_FAMILIES["sdxl"]


def read(words: str | None = None, **asked: object) -> Request:
    flags = replace(Asked(model="my-flux"), **asked)  # type: ignore[arg-type]  # checked as typed
    return read_request(flags, words=words, usual=lambda _model: "image")


def refusal(request: Request, family: str | None = "flux-schnell") -> SpecError:
    with pytest.raises(SpecError) as caught:
        refuse_unfitting(request, None if family is None else IMAGE_FAMILIES[family])
    return caught.value


@pytest.mark.parametrize(
    ("model", "preset"),
    [
        ("black-forest-labs/FLUX.1-schnell", "image"),
        ("sdxl-turbo", "image"),
        ("reference-image", "reference-image"),
        ("reference", "reference"),
        ("acme/chat", "chat"),
    ],
)
def test_the_name_of_a_known_model_tells_its_load(model: str, preset: str) -> None:
    assert usual_preset(model) == preset
    assert read_request(Asked(model=model)).workload.name == preset


def test_a_family_tells_its_load() -> None:
    assert preset_of_family(None) == "chat"
    assert preset_of_family("sdxl") == "image"
    assert preset_of_family("reference-image") == "reference-image"


def test_overrides_alone_are_about_the_usual_load() -> None:
    request = read(workload="size=512x768,steps=3,guidance=1.5,scheduler=EULER,concurrency=2")
    load = request.workload.image
    assert request.workload.name == "image"
    assert request.workload.concurrency == 2
    assert load is not None
    assert (load.width_px, load.height_px, load.steps, load.guidance, load.scheduler) == (
        *(512, 768),
        *(3, 1.5),
        Sampler.EULER,
    )


@pytest.mark.parametrize(
    ("workload", "why"),
    [
        ("size=1024", "WIDTHxHEIGHT"),
        ("size=32x64", "64 to 2048 pixels, not 32"),
        ("size=64x4096", "not 4096"),
        ("steps=0", "1 to 50"),
        ("steps=51", "1 to 50"),
        ("steps=2.5", "whole number"),
        ("guidance=21", "0 to 20"),
        ("guidance=nan", "0 to 20"),
        ("guidance=high", "0 to 20"),
        ("input=512", "about tokens"),
    ],
)
def test_what_no_image_load_can_be(workload: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(workload=workload)
    assert caught.value.code is Code.BAD_OPTION
    assert why in caught.value.why


def test_an_unknown_scheduler_is_told_the_known_ones() -> None:
    with pytest.raises(SpecError, match="scheduler") as caught:
        read(workload="scheduler=plms")
    assert caught.value.code is Code.UNKNOWN_NAME


def test_a_load_of_text_has_no_size() -> None:
    with pytest.raises(SpecError) as caught:
        read_request(Asked(model="acme/chat", workload="chat,size=64x64"))
    assert "about pictures" in caught.value.why


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("images under 2 seconds", "e2e p50 < 2000ms"),
        ("p95 images under 2 s", "e2e p95 < 2000ms"),
        ("cost at most $0.01 per image", "cost <= 0.01 usd/image"),
    ],
)
def test_words_about_images(words: str, text: str) -> None:
    assert [constraint.text for constraint in read(words).constraints] == [text]


def test_cheapest_per_image_is_a_priority() -> None:
    assert read("cheapest per image").priority.value == "cost"


@pytest.mark.parametrize(
    "constraint",
    ["e2e p50 <= 2s", "e2e p95 <= 1500ms", "cost <= 0.01 usd/image", "quality >= 0.9x",
     "memory <= 80%", "cold_start <= 240s", "requests_per_s >= 1", "cost <= 500 usd/month"],
)  # fmt: skip
def test_limits_that_fit_pictures(constraint: str) -> None:
    refuse_unfitting(read(constraints=(constraint,)), SCHNELL)
    beside = refusal(read(constraints=(constraint, "ttft p95 <= 200ms")))
    assert "ttft" in beside.what
    assert constraint not in beside.what


@pytest.mark.parametrize(
    "constraint",
    ["ttft p95 <= 200ms", "tpot mean <= 40ms", "itl p50 <= 40ms", "output_tokens_per_s >= 5",
     "cost <= 0.4 usd/mtok"],
)  # fmt: skip
def test_metrics_of_tokens_are_refused_for_pictures(constraint: str) -> None:
    error = refusal(read(constraints=(constraint,)))
    assert error.code is Code.BAD_CONSTRAINT
    assert "no tokens" in error.why
    assert "e2e" in error.fix or "image" in error.fix or "requests" in error.fix


def test_a_load_of_text_does_not_fit_pictures_nor_the_other_way_round() -> None:
    text = read_request(Asked(model="my-flux"), usual=lambda _model: "chat")
    assert "--workload image" in refusal(text).fix
    assert "--workload chat" in refusal(read(), None).fix
    refuse_unfitting(text, None)


def test_a_price_per_image_does_not_fit_text() -> None:
    asked = Asked(model="acme/chat", constraints=("cost <= 0.01 usd/image",))
    assert "no pictures" in refusal(read_request(asked), None).why


@pytest.mark.parametrize(
    ("family", "workload", "why"),
    [
        ("flux-schnell", "steps=5", "at most 4"),
        ("flux-schnell", "scheduler=ddim", "flow-match-euler"),
        ("flux-schnell", "size=1000x1024", "multiple of 16"),
        ("reference-image", "size=1024x1024", "at most 512"),
    ],
)
def test_what_a_family_cannot_do_is_said_before_anything_runs(
    family: str, workload: str, why: str
) -> None:
    error = refusal(read(workload=workload), family)
    assert error.code is Code.BAD_OPTION
    assert why in error.why


def test_a_family_can_do_what_its_row_says() -> None:
    for sampler in SDXL.schedulers:
        request = read(workload=f"scheduler={sampler.value},steps=50")
        refuse_unfitting(request, SDXL)
        assert request.workload.image is not None
        assert request.workload.image.scheduler is sampler


def test_a_mode_fits_a_model_or_names_those_that_do() -> None:
    refuse_unfitting(read(mode="Realtime"), SCHNELL)
    error = refusal(read(mode="quality"))
    assert error.code is Code.CONTRADICTION
    assert "stabilityai/stable-diffusion-3.5-large" in error.fix
    assert "modes choose" in refusal(
        read_request(Asked(model="acme/chat", mode="quality")), None
    ).why  # fmt: skip


def test_a_mode_stands_for_a_model_that_is_free_to_use() -> None:
    for mode in Mode:
        request = read_request(Asked(mode=mode.value))
        assert request.model == model_of_mode(mode)
        assert request.mode is mode
        family = next(f for f in IMAGE_FAMILIES.values() if f.repository == request.model)
        assert family.mode is mode
        require_license(family, accepted=False)


def test_a_licence_that_needs_the_users_word_is_not_passed_over() -> None:
    dev = IMAGE_FAMILIES["flux-dev"]
    with pytest.raises(SpecError) as caught:
        require_license(dev, accepted=False)
    assert caught.value.code is Code.LICENSE_NOT_ACCEPTED
    assert "FLUX-NC-1.0.1" in caught.value.why
    assert "--accept-license" in caught.value.fix
    require_license(dev, accepted=True)


def test_a_file_may_say_it_all() -> None:
    text = """version: 1
model: my-flux
mode: realtime
accept_license: true
workload: {size: 512x512, steps: 2}
"""
    file = RequestText(name="r.yaml", text=text)
    request = read_request(Asked(), file=file, usual=lambda _model: "image")
    assert request.mode is Mode.REALTIME
    assert request.accept_license
    assert request.workload.image is not None
    assert (request.workload.image.width_px, request.workload.image.steps) == (512, 2)
