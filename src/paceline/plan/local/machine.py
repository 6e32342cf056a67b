"""A machine, a model folder and a variant in the terms of the predictor.

Processors are described by formula, since no table can list them: rates from cores and
instruction sets, bandwidth from cores. Both are rough; the bands of processors are wide
accordingly, and the first trials on the machine narrow them again (`plan.local.correct`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from paceline.errors import SpecError
from paceline.plan.facts import tables
from paceline.plan.facts.tables import Device, EngineFacts
from paceline.plan.predict.deployment import Deployment, Load
from paceline.plan.predict.table import KV_BITS, UNKNOWN_ENGINE
from paceline.plan.shapes import Mixer, MixerGroup, Shape, ShapeKind
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.model import Model
from paceline.records.request import Workload
from paceline.records.variant import Scalar, Variant

CYCLES_PER_S: Final = 2.5e9
"""All cores busy with wide vectors; server processors of 2019 to 2025 run at 2.0 to 3.2 GHz."""
OPERATIONS_PER_CYCLE: Final = (
    ("amx_bf16", 1024.0),
    ("avx512_bf16", 128.0),
    ("avx512f", 64.0),
    ("avx2", 32.0),
    ("sve", 32.0),
)
"""16-bit operations per core and cycle by the widest instruction set, vendors' manuals; half of
AMX's peak, which its tile loads do not reach."""
OTHER_OPERATIONS_PER_CYCLE: Final = 16.0
BANDWIDTH_PER_CORE_GB_S: Final = 20.0
"""llama.cpp in 16 bit read 23 GB/s per core of a two-core EPYC Zen 5 (2026-11)."""
MOST_BANDWIDTH_GB_S: Final = 400.0
"""A socket with 8 to 12 channels of DDR5."""
CPU_MEMORY_SHARE: Final = 0.9
"""The rest is for the operating system."""


def device_of(place: Accelerator) -> Device | None:
    """The predictor's description of a local accelerator; `None` where nothing is known."""
    if place.kind is not AcceleratorKind.CPU:
        try:
            return replace(tables.device(place.name), memory_gib=place.memory_gib)
        except SpecError:
            return None
    cores = float(place.cores or 1)
    operations = next(
        (rate for feature, rate in OPERATIONS_PER_CYCLE if feature in place.features),
        OTHER_OPERATIONS_PER_CYCLE,
    )
    tflops = cores * CYCLES_PER_S * operations / 1e12
    narrow = any(feature.endswith(("vnni", "int8", "i8mm")) for feature in place.features)
    return Device(
        name=place.name,
        kind="cpu",
        vendor="CPU",
        architecture="detected",
        year=2023,
        memory_gib=place.memory_gib,
        bandwidth_gb_s=min(MOST_BANDWIDTH_GB_S, cores * BANDWIDTH_PER_CORE_GB_S),
        tflops_16bit=tflops,
        tflops_fp8=None,
        tflops_fp4=None,
        tops_int8=2 * tflops if narrow else None,
        compute_capability=None,
        native=("fp32", "bf16", *(("int8",) if narrow else ())),
        link="none",
        link_gb_s=16.0,
        power_w=None,
        source="cores x instruction set x clock; cores x bandwidth of one",
        most_per_host=1,
    )


def shape_of_counts(model: Model) -> Shape:
    """A plain decoder with the counts of a checked folder, for architectures without a reader.

    Embeddings are counted as layers, which makes weights read per step a little too many.
    """
    width = 2 * model.kv_heads * model.head_size
    return Shape(
        kind=ShapeKind.DECODER,
        layers=model.layers,
        hidden_size=model.hidden_size,
        vocab_size=0,
        parameters=model.parameters,
        active_parameters=model.parameters,
        embedding_parameters=0,
        head_parameters=0,
        expert_parameters=0,
        experts=0,
        experts_per_token=0,
        moe_layers=0,
        mixers=(
            MixerGroup(
                mixer=Mixer.FULL,
                layers=model.layers,
                kv_elements=width,
                kv_heads=model.kv_heads,
                dot_width=2 * model.hidden_size,
            ),
        ),
        tied_embeddings=True,
        max_context_tokens=model.max_context_tokens,
        native_format=None,
    )


def deployment(
    variant: Variant, shape: Shape, device: Device, workload: Workload
) -> Deployment | None:
    """A variant under a workload; `None` for a format without a known size.

    Knobs that the tables know set KV bits, sequences or memory; the others change nothing here.
    """
    try:
        weights = tables.weight_format(variant.format)
    except SpecError:
        return None
    engine = engine_facts(variant.engine)
    effects = _effects(engine.name, dict(variant.knobs))
    rate = workload.rate_rps
    stages = variant.count if engine.parallelism == "layers" else 1
    return Deployment(
        shape=shape,
        device=device,
        engine=engine,
        weights=weights,
        count=variant.count,
        tensor_parallel=variant.count // stages,
        pipeline_parallel=stages,
        expert_parallel=1,
        data_parallel=1,
        kv_bits=effects.get("kv_bits", 16.0),
        load=Load.CLOSED if rate is None else Load.OPEN,
        input_tokens=float(workload.input_tokens),
        output_tokens=float(workload.output_tokens),
        concurrency=float(workload.concurrency) if rate is None else None,
        requests_per_s=rate,
        release_year=tables.newest_release(engine.name),
        max_sequences=effects.get("max_sequences"),
        memory_share=effects.get("memory_share"),
    )


def engine_facts(name: str) -> EngineFacts:
    """What is known of an engine, or a middling one where nothing is."""
    try:
        return tables.engine(name)
    except SpecError:
        return replace(UNKNOWN_ENGINE, name=name, overhead_gib=0.4)


def is_known_engine(name: str) -> bool:
    """Whether the tables speak of this engine."""
    return engine_facts(name).source != UNKNOWN_ENGINE.source


def _effects(engine: str, knobs: Mapping[str, Scalar]) -> dict[str, float]:
    """What the variant's knobs set, by the effect that the tables give them."""
    found: dict[str, float] = {}
    for known in tables.knob_effects(engine):
        value = knobs.get(known.knob)
        if value is None:
            if known.is_default:
                found[known.effect] = known.amount
            continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[known.effect] = float(value)
        elif value == known.value:
            found[known.effect] = known.amount
        elif str(value) in KV_BITS:
            found[known.effect] = KV_BITS[str(value)]
    return found


def bare_device(place: Accelerator) -> Device:
    """An accelerator that no table knows: good for memory, not for speed."""
    return Device(
        name=place.name,
        kind=place.kind.value,
        vendor="",
        architecture="",
        year=2023,
        memory_gib=place.memory_gib,
        bandwidth_gb_s=1.0,
        tflops_16bit=1.0,
        tflops_fp8=None,
        tflops_fp4=None,
        tops_int8=None,
        compute_capability=place.compute_capability,
        native=(),
        link="none",
        link_gb_s=1.0,
        power_w=None,
        source="its memory as found",
    )
