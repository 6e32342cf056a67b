"""What an image runtime found inside itself, in a few words each."""

from collections.abc import Iterator
from typing import Final

from paceline.records.image import ImageFacts

SCHEDULERS: Final = {
    "FlowMatchEulerDiscreteScheduler": "FlowMatch",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "DPMSolverMultistepScheduler": "DPM++",
    "DDIMScheduler": "DDIM",
}
"""By the class that ran; another one is named as it is."""

PHASES: Final = ("import", "load", "quantize", "compile", "warmup")
"""Of a start, in their order."""

WEIGHTS: Final = {"bfloat16": "BF16", "float16": "FP16", "float32": "FP32"}


def inside_chips(facts: ImageFacts) -> tuple[str, ...]:
    """`4 steps`, `gs 0`, `FlowMatch`, `FP8 dynamic`, `compiled`."""
    steps = "1 step" if facts.steps == 1 else f"{facts.steps} steps"
    scheduler = SCHEDULERS.get(facts.scheduler, facts.scheduler)
    return (steps, f"gs {facts.guidance:g}", scheduler, *_weights(facts), *_ways(facts))


def inside_notes(facts: ImageFacts) -> Iterator[str]:
    """How the start was spent, and which layers became what."""
    # In an order of its own: a stored mapping comes back sorted.
    phases = sorted(facts.phases_s.items(), key=lambda phase: (_place(phase[0]), phase[0]))
    parts = ", ".join(f"{name} {taken_s:.1f} s" for name, taken_s in phases)
    cache = {"hit": "; compiled code from the cache", "miss": "; compiled anew"}
    yield f"start: {parts}{cache.get(facts.compile_cache, '')}"
    for kind, count in sorted(facts.quantized.items()):
        yield f"{count} of {facts.linears} linear layers of the denoiser are {kind}"


def _place(phase: str) -> int:
    return PHASES.index(phase) if phase in PHASES else len(PHASES)


def _weights(facts: ImageFacts) -> Iterator[str]:
    """What most of the denoiser's layers became; the type of its weights where nothing did."""
    most = [kind for kind, count in facts.quantized.items() if 2 * count > facts.linears]
    yield from (kind.replace("fp8", "FP8") for kind in most)
    if not most:
        yield WEIGHTS.get(facts.weights, facts.weights)


def _ways(facts: ImageFacts) -> Iterator[str]:
    if facts.compiled_calls:
        yield "partly compiled" if facts.eager_calls else "compiled"
    if facts.offloaded:
        yield "offloaded"
