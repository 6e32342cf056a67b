from dataclasses import replace

import pytest

from paceline.errors import Code, SetupError, SpecError
from paceline.plan.enumerate import EngineOffer, enumerate_variants
from paceline.plan.make import make_plan
from paceline.records.launch import Cause
from paceline.records.plan import Plan
from paceline.records.request import Request
from paceline.records.variant import Knob, RejectionReason, Variant
from paceline.records.version import FailureFact
from paceline.testing.builders import a_cpu, a_model, a_request, a_variant

SLOW = EngineOffer(
    name="slow",
    formats=("bf16",),
    knobs=(Knob(name="batching", values=(False, True), when="several requests"),),
)
QUICK = EngineOffer(name="quick", formats=("fp16", "int8", "fp8"), knobs=())
WIDTH = Knob(name="width", values=(1, 2), when="wide")
WIDE = (("width", 2),)
ABSENT = EngineOffer(name="absent", formats=("bf16",), knobs=(), missing="no environment")
OFFERS = (SLOW, QUICK, ABSENT)


def why_not(variant: Variant) -> str | None:
    return "no CPU kernel" if variant.format == "fp8" else None


def plan_of(request: Request, *, parameters: int = 5_000_000, **more: object) -> Plan:
    facts = more.get("failures", ())
    assert isinstance(facts, tuple)
    return make_plan(
        request,
        a_model(parameters),
        offers=OFFERS,
        accelerators=[a_cpu()],
        unsupported=why_not,
        failures=facts,
    )


def test_every_variant_is_measured_or_rejected_once() -> None:
    plan = plan_of(a_request(formats=("int8",)))
    sorted_ids = sorted([v.id for v in plan.variants] + [r.variant.id for r in plan.rejected])
    assert sorted_ids == sorted(v.id for v in enumerate_variants(OFFERS, [a_cpu()]))


def test_the_baseline_is_the_checkpoints_own_format_at_default_knobs() -> None:
    plan = plan_of(a_request())
    assert plan.baseline == plan.variants[0] == a_variant("slow", "bf16")


def test_the_baseline_stays_when_a_format_is_pinned() -> None:
    plan = plan_of(a_request(formats=("int8",)))
    assert [(v.engine, v.format) for v in plan.variants] == [("slow", "bf16"), ("quick", "int8")]


def test_without_the_own_format_the_engines_first_one_is_the_baseline() -> None:
    assert plan_of(a_request(engines=("quick",))).baseline.format == "fp16"


def test_each_rejection_has_its_reason() -> None:
    plan = plan_of(a_request(formats=("bf16", "fp8")))
    reasons = {(r.variant.engine, r.variant.format): r.reason for r in plan.rejected}
    assert reasons["quick", "fp8"] is RejectionReason.UNSUPPORTED
    assert reasons["quick", "int8"] is RejectionReason.NOT_REQUESTED
    assert reasons["absent", "bf16"] is RejectionReason.ENGINE_NOT_INSTALLED


def a_fact(variant: Variant, cause: Cause) -> FailureFact:
    return FailureFact(
        model_sha256="0",
        engine_version="1.0",
        variant=variant,
        cause=cause,
        detail="no kernel",
        run_id="r1",
        at_utc="",
    )


@pytest.mark.parametrize(
    ("variant", "cause", "gone"),
    [
        (a_variant("quick", "fp16"), Cause.BAD_FLAG, [("fp16", ())]),
        (a_variant("quick", "fp16"), Cause.UNSUPPORTED, [("fp16", ()), ("fp16", WIDE)]),
        (a_variant("quick", "fp16", knobs=WIDE), Cause.UNSUPPORTED, [("fp16", WIDE)]),
    ],
    ids=["its flags", "whatever its flags", "only with this flag"],
)
def test_what_died_before_is_not_tried_again(
    variant: Variant, cause: Cause, gone: list[tuple[str, object]]
) -> None:
    plan = make_plan(
        a_request(),
        a_model(),
        offers=[SLOW, EngineOffer(name="quick", formats=("fp16", "int8"), knobs=(WIDTH,))],
        accelerators=[a_cpu()],
        unsupported=lambda _variant: None,
        failures=[a_fact(variant, cause)],
    )
    known = [r for r in plan.rejected if r.reason is RejectionReason.KNOWN_FAILURE]
    assert [(r.variant.format, r.variant.knobs) for r in known] == gone
    died = f"{variant.label} ended as {cause} in run r1: no kernel"
    assert {r.detail for r in known} == {died}


@pytest.mark.parametrize(
    ("concurrency", "rate_rps", "measured"),
    [(1, None, []), (4, None, []), (5, None, [4]), (8, None, [4]), (9, None, [4, 16]),
     (1, 2.0, [4, 16])],
)  # fmt: skip
def test_a_limit_of_requests_is_turned_only_where_the_load_reaches_it(
    concurrency: int, rate_rps: float | None, measured: list[int]
) -> None:
    slots = Knob(name="slots", values=(8, 4, 16), when="many requests", limits_in_flight=True)
    request = a_request()
    plan = make_plan(
        replace(
            request,
            workload=replace(request.workload, concurrency=concurrency, rate_rps=rate_rps),
        ),
        a_model(),
        offers=[EngineOffer(name="quick", formats=("bf16",), knobs=(slots,))],
        accelerators=[a_cpu()],
        unsupported=lambda _variant: None,
    )
    assert [dict(v.knobs)["slots"] for v in plan.variants if v.knobs] == measured
    out = {r.variant.knobs[0][1]: (r.reason, r.have, r.need) for r in plan.rejected}
    for value in {4, 16} - set(measured):
        bar = min(value, 8)
        expected = f"{concurrency} in flight", f"more than {bar}"
        assert out[value] == (RejectionReason.NO_EFFECT, *expected)


def test_an_engine_asked_for_by_name_must_be_installed() -> None:
    with pytest.raises(SetupError, match="paceline engines install absent"):
        plan_of(a_request(engines=("slow", "absent")))


def test_a_model_too_large_is_refused_before_launch() -> None:
    with pytest.raises(SpecError) as caught:
        plan_of(a_request(engines=("slow",)), parameters=70_000_000_000)
    assert caught.value.code is Code.DOES_NOT_FIT
    assert "130.4 GiB" in caught.value.why
    assert "14.4 GiB" in caught.value.why


def test_a_smaller_format_may_fit_where_the_checkpoint_does_not() -> None:
    plan = plan_of(a_request(), parameters=10_000_000_000)
    assert plan.baseline.format == "int8"
    too_large = [r for r in plan.rejected if r.reason is RejectionReason.DOES_NOT_FIT]
    assert {r.variant.format for r in too_large} == {"bf16", "fp16"}
    assert all(r.have and r.need for r in too_large)


def test_a_variant_that_nobody_can_make_weights_for_is_rejected_with_the_reason() -> None:
    plan = make_plan(
        a_request(),
        a_model(),
        offers=OFFERS,
        accelerators=[a_cpu()],
        unsupported=why_not,
        no_checkpoint=lambda variant: "no tool here" if variant.format == "int8" else None,
    )
    out = [r for r in plan.rejected if r.reason is RejectionReason.NO_CHECKPOINT]
    assert [(r.variant.engine, r.variant.format, r.detail) for r in out] == [
        ("quick", "int8", "no tool here")
    ]
