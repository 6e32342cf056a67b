"""What a picture takes: formats, compiled or not, first start and second start.

`python benchmarks/images.py cpu` runs the small pipelines on the processor (about ten minutes on
two cores, which should have nothing else to do): the figures say what starting and compiling cost,
and nothing about real models. `python benchmarks/images.py gpu` runs FLUX.1-schnell and SDXL in
their real shapes with random weights on the first card, at 1024 x 1024 and 4 steps: about half an
hour, 45 GB of disk under the temporary folder, a card of 48 GB or more (80 for FLUX without fp8).
Needs Diffusers' environment (`paceline engines install diffusers`).

Each variant starts twice with one folder for compiled code: "start" is until the server is ready,
which is with a picture painted, "again" the second time. Output is Markdown, ready for docs/log.md.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from paceline.adapters.engines.diffusers import Diffusers
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.app.wiring import Workshop
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import Environment, LaunchSpec
from paceline.records.model import Model
from paceline.stats import quantile
from paceline.testing.engines import Bench
from paceline.testing.image_engines import Easel

SEED = 1
WARM = 2
START_S = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run where."""

    shapes: tuple[str, ...]
    size: str
    formats: tuple[str, ...]
    pictures: int


PLANS = {
    "cpu": Plan(
        shapes=("tiny-flux", "tiny-sd3", "tiny-sdxl"),
        size="256x256",
        formats=("bf16", "int8"),
        pictures=20,
    ),
    "gpu": Plan(
        shapes=("full-flux-schnell", "full-sdxl"),
        size="1024x1024",
        formats=("bf16", "fp8"),
        pictures=50,
    ),
}
HEAD = (
    "| model | format | compiled | p50 s | p95 s | start s | again s | compile s | again s "
    "| memory GiB |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start and what came of it; `seconds` are inference times without the warm-up's."""

    seconds: tuple[float, ...]
    ready_s: float
    compile_s: float
    memory_gib: float
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where one model is measured."""

    place: Accelerator
    plan: Plan
    environment: Environment
    scratch: Path
    model: Model

    def measured(self, format_: str, *, compiled: bool) -> Run:
        """One start, `plan.pictures` pictures one after the other, and the end."""
        said(f"{self.model.name} {format_}{' compiled' if compiled else ''}")
        asked = {"size": self.plan.size, "num_inference_steps": 4, "guidance_scale": 0.0}
        with self.serving(format_, compiled=compiled) as easel:
            answers = [
                easel.ask(seed=seed, **asked).raise_for_status().json()
                for seed in range(WARM + self.plan.pictures)
            ]
            facts = easel.facts()
            shown = {name: facts[name] for name in ("quantized", "compiled_calls", "compile_cache")}
            return Run(
                seconds=tuple(answer["inference_ms"] / 1000 for answer in answers[WARM:]),
                ready_s=easel.server.ready_after_s() or 0.0,
                compile_s=facts["phases_s"].get("compile", 0.0),
                memory_gib=memory_gib(easel, self.place),
                facts=json.dumps(shown),
            )

    @contextmanager
    def serving(self, format_: str, *, compiled: bool) -> Iterator[Easel]:
        """A running server."""
        bench = Bench(
            Diffusers(),
            self.model,
            self.environment,
            self.scratch,
            knobs=(("compile", compiled),),
            accelerator=self.place,
        )
        artefact = replace(bench.artefact, format=format_)
        cache = self.scratch / f"compiled-{format_}"

        def build(port: int) -> LaunchSpec:
            spec = bench.launch(port=port, artefact=artefact)
            flags = ("--warmup-size", self.plan.size, "--compile-cache", str(cache))
            return replace(spec, argv=(*spec.argv, *flags), ready_timeout_s=START_S)

        with LocalExecutor().start(build, log_path=self.scratch / "server.log") as server:
            end = server.wait_ready()
            if end is not None:
                sys.exit(f"{self.model.name} {format_} did not start:\n{end.log_tail}")
            with Easel(server) as easel:
                yield easel


def main() -> None:
    """Every shape in every format, plain and compiled."""
    if len(sys.argv) != 2 or sys.argv[1] not in PLANS:
        sys.exit("usage: python benchmarks/images.py cpu|gpu")
    plan, place = PLANS[sys.argv[1]], place_of(sys.argv[1])
    spec = Diffusers().environment()
    if spec is None:
        sys.exit("Diffusers has no environment")
    environment = Workshop().environments.install(spec, say=said)
    print(f"{place.name}, {plan.size}, 4 steps, one request at a time\n")
    print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}")
    for shape in plan.shapes:
        with tempfile.TemporaryDirectory() as scratch:
            room = Room(
                place=place,
                plan=plan,
                environment=environment,
                scratch=Path(scratch),
                model=made(shape, Path(scratch), environment),
            )
            for format_ in plan.formats:
                print(row(shape, format_, [room.measured(format_, compiled=False)]), flush=True)
                twice = [room.measured(format_, compiled=True) for _ in range(2)]
                print(row(shape, format_, twice), flush=True)


def made(shape: str, scratch: Path, environment: Environment) -> Model:
    said(f"writing {shape}")
    out = scratch / shape
    Diffusers().write(shape, out, seed=SEED, environment=environment)
    return LocalHub(scratch / "hashes", say=said).find(str(out))


def row(shape: str, format_: str, runs: list[Run]) -> str:
    """One line of the table: two runs are of compiled code, the second with what the first kept."""
    first, last, compiled = runs[0], runs[-1], len(runs) > 1
    said(last.facts)
    again = f"{last.ready_s:.1f}" if compiled else "–"
    compile_s = f"{first.compile_s:.1f}" if compiled else "–"
    compile_again_s = f"{last.compile_s:.1f}" if compiled else "–"
    p50_s, p95_s = (quantile(last.seconds, share) for share in (0.5, 0.95))
    return (
        f"| {shape} | {format_} | {'yes' if compiled else 'no'} | {p50_s:.3f} | {p95_s:.3f} "
        f"| {first.ready_s:.1f} | {again} | {compile_s} | {compile_again_s} "
        f"| {last.memory_gib:.2f} |"
    )


def memory_gib(easel: Easel, place: Accelerator) -> float:
    """The process tree's highest resident memory, or on a card what is in use of it now."""
    if place.kind is AcceleratorKind.CPU:
        return easel.server.peak_memory_gib() or 0.0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    used = subprocess.run(query, check=True, capture_output=True, text=True)
    return float(used.stdout) / 1024


def place_of(kind: str) -> Accelerator:
    found = [place for place in LocalExecutor().inventory() if place.kind.value == kind]
    if not found:
        sys.exit(f"no {kind} here")
    return found[0]


def said(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
