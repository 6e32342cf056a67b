"""Whole plans of image models: what is measured where, and why the rest is not."""

from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.plan.enumerate import EngineOffer
from paceline.plan.images.known import known_image_shape
from paceline.plan.images.local import ImageJudge
from paceline.plan.make import make_plan
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.plan import Plan
from paceline.records.request import Request
from paceline.records.variant import Knob, RejectionReason, Variant
from paceline.spec.read import Asked, read_request
from paceline.testing.builders import a_cpu, a_model

OFFER = EngineOffer(
    name="diffusers",
    formats=("bf16", "fp16", "fp8", "int8"),
    knobs=(
        Knob(name="compile", values=(False, True), when=""),
        Knob(name="batch", values=(1, 4), when=""),
        Knob(name="offload", values=(False, True), when=""),
    ),
)


def card(name: str, memory_gib: float) -> Accelerator:
    return Accelerator(name=name, kind=AcceleratorKind.GPU, memory_gib=memory_gib, available=1)


L4, H100 = card("L4-24GB", 24.0), card("H100-SXM-80GB", 80.0)
AMPERE = card("A100-SXM-40GB", 40.0)


def unsupported(variant: Variant) -> str | None:
    no_fp8 = variant.accelerator == AMPERE.name or variant.accelerator not in (L4.name, H100.name)
    if variant.format == "fp8" and no_fp8:
        return "fp8 has no native kernel"
    if variant.format in ("int8", "fp16"):
        return "measured nowhere"
    return None


def plan(place: Accelerator, **asked: object) -> Plan:
    request: Request = read_request(
        replace(Asked(model="sdxl-turbo", workload="image"), **asked)  # type: ignore[arg-type]  # checked as typed
    )
    load = request.workload.image
    shape = known_image_shape("flux-schnell")
    assert load is not None
    assert shape is not None
    judge = ImageJudge(
        request=request,
        load=load,
        family=IMAGE_FAMILIES["flux-schnell"],
        shape=shape,
        accelerators=(place,),
    )
    return make_plan(
        request,
        replace(a_model(), image_family="flux-schnell", format="bf16"),
        offers=[OFFER],
        accelerators=[place],
        unsupported=unsupported,
        kind=judge,
    )


def test_the_baseline_is_unquantized_at_default_knobs_and_comes_first() -> None:
    found = plan(H100)
    assert found.baseline == found.variants[0]
    assert (found.baseline.format, found.baseline.knobs) == ("bf16", ())


def test_a_large_card_measures_fp8_and_compiled_and_never_moves_parts() -> None:
    found = plan(H100)
    assert {(v.format, v.knobs) for v in found.variants} >= {
        ("fp8", (("compile", True),)),
        ("bf16", (("compile", True),)),
        ("fp8", (("batch", 4), ("compile", True))),
    }
    assert not any(dict(v.knobs).get("offload") for v in found.variants)
    moved = [r for r in found.rejected if dict(r.variant.knobs).get("offload")]
    out = [r for r in moved if r.reason is RejectionReason.PREDICTED]
    assert out
    for rejection in out:
        assert rejection.have
        assert rejection.need
        assert rejection.need.startswith("more than")


def test_a_small_card_moves_parts_everywhere_and_says_why() -> None:
    found = plan(L4)
    assert found.variants
    assert all(dict(v.knobs).get("offload") is True for v in found.variants)
    assert {"fp8"} <= {v.format for v in found.variants}
    large = [r for r in found.rejected if r.reason is RejectionReason.DOES_NOT_FIT]
    assert any(not r.variant.knobs and r.variant.format == "fp8" for r in large)
    assert all(r.have and r.need and "GiB" in r.need for r in large)


def test_where_the_unquantized_cannot_even_take_turns_the_baseline_is_the_nearest_that_can() -> (
    None
):
    found = plan(L4)
    assert found.baseline.format == "fp8"
    assert found.baseline.knobs == (("offload", True),)
    bf16 = [r for r in found.rejected if r.variant.format == "bf16"]
    assert {r.reason for r in bf16} == {RejectionReason.DOES_NOT_FIT}


def test_fp8_is_refused_where_it_is_not_native() -> None:
    found = plan(AMPERE)
    reasons = {r.detail for r in found.rejected if r.variant.format == "fp8"}
    assert reasons == {"fp8 has no native kernel"}
    assert "fp8" not in {v.format for v in found.variants}


def test_a_processor_has_nowhere_to_move_parts_from() -> None:
    found = plan(replace(a_cpu(), memory_gib=64.0))
    assert not any(dict(v.knobs).get("offload") for v in found.variants)
    moved = [r for r in found.rejected if dict(r.variant.knobs) == {"offload": True}]
    assert any("one memory" in r.detail for r in moved)


def test_nothing_that_fits_is_an_error_with_both_numbers() -> None:
    with pytest.raises(SpecError) as caught:
        plan(card("T4-16GB", 8.0))
    assert caught.value.code is Code.DOES_NOT_FIT
    assert "; with parts taking turns " in caught.value.why


def test_every_variant_to_measure_has_a_price_per_image() -> None:
    found = plan(H100, price_usd_per_hour=3.6)
    assert [one.variant_id for one in found.predictions] == [v.id for v in found.variants]
    for one in found.predictions:
        assert one.metrics["cost_usd_per_image"].unit == "usd/image"
        assert one.metrics["e2e_p50_ms"].value > 0


def test_what_misses_a_limit_for_sure_is_not_measured() -> None:
    found = plan(H100, constraints=("e2e p50 <= 1ms",))
    assert found.variants == (found.baseline,)
    out = [r for r in found.rejected if r.reason is RejectionReason.CONSTRAINT]
    assert out
    assert all(r.have and r.need for r in out)
