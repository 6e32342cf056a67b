"""Records with sensible fields, so that a test names only what it is about."""

from collections.abc import Iterable, Mapping
from typing import Final

from paceline.records.hardware import Accelerator, AcceleratorKind, HostFingerprint
from paceline.records.image import ImageFacts
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.model import Model
from paceline.records.quality import Item, Message, QualityResult, Scorer, Split, Suite
from paceline.records.request import Budget, Constraint, Priority, Request, Workload
from paceline.records.trial import ColdStart, Provenance, TrialRecord
from paceline.records.variant import Scalar, Variant
from paceline.units import Seconds

IMAGE_FACTS: Final = ImageFacts(
    family="flux-schnell",
    pipeline="FluxPipeline",
    weights="bfloat16",
    linears=60,
    quantized={"fp8 dynamic": 57},
    compiled_calls=12,
    eager_calls=0,
    offloaded=False,
    scheduler="FlowMatchEulerDiscreteScheduler",
    steps=4,
    guidance=0.0,
    compile_cache="miss",
    phases_s={"compile": 61.0, "import": 3.2},  # as a stored mapping comes back
)
"""What an image runtime finds inside itself."""


def a_variant(
    engine: str = "fake", format_: str = "bf16", *, knobs: tuple[tuple[str, Scalar], ...] = ()
) -> Variant:
    """A variant on one CPU."""
    return Variant(accelerator="cpu", count=1, format=format_, engine=engine, knobs=knobs)


def a_metric(value: float, unit: str = "ms", *, spread: float = 0.0, n: int = 100) -> Metric:
    """A figure with the interval `value ± spread × value`."""
    half = abs(value) * spread
    return Metric(value=value, unit=unit, ci95=Interval(lo=value - half, hi=value + half), n=n)


def a_cpu(memory_gib: float = 16.0, cores: int = 2) -> Accelerator:
    """The machine's processor as an accelerator."""
    return Accelerator(
        name="cpu", kind=AcceleratorKind.CPU, memory_gib=memory_gib, available=1, cores=cores
    )


def a_host() -> HostFingerprint:
    """A plain machine of two cores."""
    return HostFingerprint(
        os="Linux",
        kernel="6.1",
        architecture="x86_64",
        cpu_model="Some CPU",
        cpu_features=("avx2",),
        microcode=None,
        physical_cores=2,
        logical_cores=2,
        usable_cores=2.0,
        numa_nodes=1,
        memory_gib=16.0,
        memory_limit_gib=None,
        hypervisor=None,
        governor=None,
        frequency_min_mhz=None,
        frequency_max_mhz=None,
        turbo=None,
        on_battery=None,
        huge_pages=None,
    )


def a_model(parameters: int = 5_000_000, *, folder: str = "/models/small") -> Model:
    """A small decoder."""
    return Model(
        name="small",
        folder=folder,
        architecture="LlamaForCausalLM",
        format="bf16",
        parameters=parameters,
        layers=6,
        hidden_size=256,
        kv_heads=2,
        head_size=64,
        max_context_tokens=2048,
        files=(),
    )


def an_item(
    item_id: str = "q0",
    *,
    category: str = "c",
    question: str = "?",
    scorer: Scorer = Scorer.EXACT,
    answer: str = "yes",
    weight: float = 1.0,
    seed: int | None = None,
    split: Split = Split.MAIN,
) -> Item:
    """One question."""
    return Item(
        item_id=item_id,
        category=category,
        messages=(Message(role="user", content=question),),
        scorer=scorer,
        answer=answer,
        max_tokens=8,
        weight=weight,
        seed=seed,
        split=split,
    )


def a_suite(
    items: Iterable[Item],
    *,
    name: str = "s",
    sha256: str = "0" * 64,
    weights: Mapping[str, float] | None = None,
) -> Suite:
    """Items as a suite; suites of another hash are another suite."""
    return Suite(name=name, version="1", sha256=sha256, items=tuple(items), weights=weights)


def a_trial(
    variant: Variant,
    metrics: dict[str, Metric] | None = None,
    *,
    repeat: int = 0,
    wall_s: float = 20.0,
    quality: QualityResult | None = None,
    cause: Cause = Cause.FINISHED,
) -> TrialRecord:
    """A trial that went well, unless `cause` says otherwise."""
    return TrialRecord(
        trial_id=f"{variant.id}-{repeat}",
        variant=variant,
        repeat=repeat,
        cause=cause,
        detail="",
        metrics=metrics or {},
        quality=quality,
        cold_start=ColdStart(environment_s=None, weights_s=None, engine_s=1.0, warmup_s=0.1),
        samples=None,
        provenance=Provenance(
            engine_version="1.0",
            argv=(),
            env={},
            environment_lock_sha256=None,
            environment_lock=(),
            artefact=None,
            seed=0,
            started_at_utc="2026-01-01T00:00:00+00:00",
            log_tail="",
        ),
        client=None,
        steady=True,
        foreign_cpu_share=0.0,
        wall_s=wall_s,
    )


def a_workload(*, concurrency: int = 8, rate_rps: float | None = None) -> Workload:
    """A short closed loop, or an open one when a rate is given."""
    return Workload(
        name="test",
        concurrency=concurrency,
        rate_rps=rate_rps,
        arrivals="closed" if rate_rps is None else "poisson",
        input_tokens=128,
        output_tokens=64,
        shared_prefix_tokens=0,
        duration_s=Seconds(10.0),
        max_requests=None,
    )


def a_request(
    *constraints: Constraint,
    priority: Priority = Priority.THROUGHPUT,
    engines: tuple[str, ...] = (),
    formats: tuple[str, ...] = (),
    workload: Workload | None = None,
) -> Request:
    """An optimization of the small model."""
    return Request(
        model="small",
        pipeline="small",
        priority=priority,
        constraints=constraints,
        workload=workload or a_workload(),
        engines=engines,
        formats=formats,
        hardware=(),
        budget=Budget(),
        price_usd_per_hour=0.1,
        seed=0,
    )
