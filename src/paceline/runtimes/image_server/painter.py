"""A loaded Diffusers pipeline: pictures from jobs, and what is really inside it.

Each picture has a random generator of its own, so noise does not depend on its neighbours in a
batch. Sums do, in their last bits: kernels add in another order for another batch size.
"""

from __future__ import annotations

import gc
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from paceline.runtimes.image_server.ask import Shape
from paceline.runtimes.image_server.compiled import CallCounter, CompileWatch
from paceline.runtimes.image_server.family import Family
from paceline.runtimes.image_server.memory import is_shortage, of_card, of_machine
from paceline.runtimes.image_server.orders import Job, Painted
from paceline.runtimes.image_server.schedulers import build, steps_run
from paceline.runtimes.image_server.worker import Broken, Left, OutOfMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What loading made."""

    pipeline: Any
    denoiser: Any
    counter: CallCounter
    watch: CompileWatch | None
    count_quantized: Callable[[], Mapping[str, int]]


class DiffusersPainter:
    """A `Painter`."""

    def __init__(
        self, parts: Parts, family: Family, *, device: str, on_nan: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._pipeline = parts.pipeline
        self._family = family
        self._device = device
        self._on_nan = on_nan
        shipped = parts.pipeline.scheduler
        self._schedulers = {
            name: build(name, shipped, distilled=family.distilled) for name in family.schedulers
        }
        self._takes_negative = (
            family.negative_prompt
            and "negative_prompt" in inspect.signature(type(self._pipeline).__call__).parameters
        )
        self._steps = 0
        self._guidance = family.guidance

    def paint(self, jobs: Sequence[Job], on_step: Callable[[int], bool]) -> Sequence[Painted]:
        """One picture per job; see `worker.Painter`."""
        try:
            return self._painted(jobs, _Follower(on_step))
        except torch.OutOfMemoryError as error:
            words = str(error).partition(". Of the allocated")[0]
        except torch.AcceleratorError as error:
            raise Broken(str(error).splitlines()[0]) from error
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            words = (str(error).splitlines() or ["nothing is left"])[0]
        # Not in the except clauses: there the traceback still holds the tensors.
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()
        raise OutOfMemory(f"{words} ({self._memory()})")

    def facts(self) -> dict[str, Any]:
        """`ImageFacts` without `phases_s`, read from the modules and counters now."""
        denoiser, counter = self._parts.denoiser, self._parts.counter
        linears = sum(isinstance(module, torch.nn.Linear) for module in denoiser.modules())
        return {
            "family": self._family.name,
            "pipeline": type(self._pipeline).__name__,
            "weights": _main_dtype(denoiser),
            "linears": linears,
            "quantized": dict(self._parts.count_quantized()),
            "compiled_calls": counter.compiled,
            "eager_calls": counter.eager,
            "offloaded": _is_offloaded(self._pipeline),
            "scheduler": type(self._pipeline.scheduler).__name__,
            "steps": self._steps,
            "guidance": self._guidance,
            "compile_cache": self._parts.watch.cache() if self._parts.watch else "none",
        }

    def _painted(self, jobs: Sequence[Job], follower: _Follower) -> Sequence[Painted]:
        try:
            output = self._run(jobs, jobs[0].shape, follower)
        finally:
            self._pipeline.maybe_free_model_hooks()
        self._steps = steps_run(self._pipeline.scheduler, follower.calls)
        self._guidance = float(self._pipeline.guidance_scale)
        return [
            Painted(
                pixels=self._pixels(picture),
                latents=_half(follower.latents[row]) if job.order.ask.with_latents else None,
            )
            for row, (job, picture) in enumerate(zip(jobs, output, strict=True))
        ]

    def _run(self, jobs: Sequence[Job], shape: Shape, follower: _Follower) -> Any:
        self._pipeline.scheduler = self._schedulers[shape.scheduler]
        further: dict[str, Any] = {}
        if self._takes_negative:
            further["negative_prompt"] = [job.order.ask.negative_prompt for job in jobs]
        if self._family.text_tokens is not None:
            further["max_sequence_length"] = self._family.text_tokens
        with torch.inference_mode():
            return self._pipeline(
                prompt=[job.order.ask.prompt for job in jobs],
                width=shape.width_px,
                height=shape.height_px,
                num_inference_steps=shape.steps,
                guidance_scale=shape.guidance,
                # Made on the processor, so that a seed means the same noise on every device.
                generator=[torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
                output_type="np",
                callback_on_step_end=follower,
                **further,
            ).images

    def _pixels(self, picture: Any) -> Any:
        """`[height, width, 3]` bytes; what is no number becomes black, and is counted."""
        if not np.isfinite(picture).all():
            self._on_nan()
            picture = np.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0)
        return (picture * 255).round().clip(0, 255).astype("uint8")

    def _memory(self) -> str:
        return of_card(*torch.cuda.mem_get_info()) if self._device == "cuda" else of_machine()


class _Follower:
    """Called by the pipeline after every step."""

    def __init__(self, on_step: Callable[[int], bool]) -> None:
        self._on_step = on_step
        self.calls = 0
        self.latents: Any = None

    def __call__(
        self, pipeline: Any, step: int, timestep: Any, values: dict[str, Any]
    ) -> dict[str, Any]:
        del pipeline, step, timestep
        self.calls += 1
        self.latents = values["latents"]
        if not self._on_step(self.calls):
            raise Left
        return values


def _half(latents: Any) -> Any:
    return latents.to("cpu", torch.float16).numpy()


def _main_dtype(module: Any) -> str:
    """The type of most parameters, counted by element."""
    sizes: Counter[str] = Counter()
    for parameter in module.parameters():
        sizes[str(parameter.dtype).removeprefix("torch.")] += parameter.numel()
    return sizes.most_common(1)[0][0]


def _is_offloaded(pipeline: Any) -> bool:
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return any(getattr(part, "_hf_hook", None) is not None for part in parts)
