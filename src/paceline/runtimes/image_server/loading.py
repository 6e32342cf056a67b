"""From a folder to a painter that is warm: load, quantize, compile, paint once per size."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import diffusers
import torch

from paceline.runtimes.image_server.ask import Ask, Shape
from paceline.runtimes.image_server.compiled import CallCounter, CompileWatch, compile_blocks
from paceline.runtimes.image_server.family import Family
from paceline.runtimes.image_server.kept_code import KeptCode
from paceline.runtimes.image_server.orders import Job, Order, batch_sizes
from paceline.runtimes.image_server.painter import DiffusersPainter, Parts
from paceline.runtimes.image_server.starting import Starting, Unservable

log = logging.getLogger("image_server")

# The 8-bit formats are made from bf16 weights.
_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16", "int8": "bfloat16", "fp8": "bfloat16"}
_QUANTIZED: Final = ("int8", "fp8")
_WARMUP_PROMPT: Final = "a red circle"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What to load and how; `warmup_px` are the deployed sizes, width × height."""

    model: Path
    family: Family
    format: str
    device: str
    compile: bool
    offload: bool
    batch: int
    warmup_px: tuple[tuple[int, int], ...]
    threads: int | None


def load(
    options: LoadOptions, starting: Starting, *, kept: KeptCode | None, on_nan: Callable[[], None]
) -> DiffusersPainter:
    """The painter, warm; `kept` is where compiled code goes.

    Raises Unservable, and whatever Diffusers raises for a broken folder.
    """
    _set_up(options)
    with starting.phase("load"):
        pipeline = _pipeline(options)
        denoiser = _denoiser(pipeline)
    counting: Callable[[], Mapping[str, int]] = dict
    if options.format in _QUANTIZED:
        with starting.phase("quantize"):
            # Only here: importing torchao takes seconds.
            formats = importlib.import_module("paceline.runtimes.image_server.formats")
            formats.quantize(denoiser, options.format, device=options.device)
        counting = _count_with(formats.quantized, denoiser)
    with starting.phase("load"):
        if options.offload:
            pipeline.enable_model_cpu_offload()
        else:
            pipeline.to(options.device)
    watch = CompileWatch(kept) if options.compile else None
    blocks = compile_blocks(denoiser, watch) if watch else 0
    parts = Parts(
        pipeline=pipeline,
        denoiser=denoiser,
        counter=CallCounter(denoiser, watch, blocks),
        watch=watch,
        count_quantized=counting,
    )
    painter = DiffusersPainter(parts, options.family, device=options.device, on_nan=on_nan)
    with starting.phase("warmup"):
        _warm_up(painter, options)
    if watch is not None:
        starting.add("compile", watch.compiling_s)
        starting.add("warmup", -watch.compiling_s)
    return painter


def _count_with(count: Callable[[Any], Mapping[str, int]], denoiser: Any) -> Any:
    return lambda: count(denoiser)


def _set_up(options: LoadOptions) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.deterministic = True
    torch.set_float32_matmul_precision("high")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise Unservable("no CUDA device is visible to this process")
    if options.offload and options.device != "cuda":
        raise Unservable("offload moves parts between a card and the machine: here is no card")


def _pipeline(options: LoadOptions) -> Any:
    index = json.loads((options.model / "model_index.json").read_text(encoding="utf-8"))
    found = index.get("_class_name")
    if found != options.family.pipeline:
        raise Unservable(
            f"the folder holds a {found}, the family {options.family.name} is a "
            f"{options.family.pipeline}"
        )
    # Diffusers takes a part for forgotten that the index goes without, unless it is told so again.
    without = {name: None for name, part in index.items() if part == [None, None]}
    pipeline = getattr(diffusers, options.family.pipeline).from_pretrained(
        options.model,
        **without,
        dtype=getattr(torch, _DTYPES[options.format]),
        use_safetensors=True,  # the other kind of file can run code
        variant=_variant(options.model, index),
        local_files_only=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _variant(model: Path, index: Mapping[str, Any]) -> str | None:
    """`fp16` where a component has its weights by that name only; Diffusers then takes the plain
    files of those that have no others."""
    for name in index:
        held = [path.name for path in (model / name).glob("*.safetensors")]
        if held and all(".fp16" in file for file in held):
            return "fp16"
    return None


def _denoiser(pipeline: Any) -> Any:
    transformer = getattr(pipeline, "transformer", None)
    return pipeline.unet if transformer is None else transformer


def _warm_up(painter: DiffusersPainter, options: LoadOptions) -> None:
    """Every deployed size in every batch size, as a request would ask for it."""
    family = options.family
    for width_px, height_px in options.warmup_px:
        for count in batch_sizes(options.batch):
            shape = Shape(
                width_px=width_px,
                height_px=height_px,
                steps=family.steps,
                guidance=family.guidance,
                scheduler=family.scheduler,
            )
            painter.paint(_jobs(shape, count), lambda _done: True)


def _jobs(shape: Shape, count: int) -> Sequence[Job]:
    ask = Ask(
        prompt=_WARMUP_PROMPT,
        negative_prompt="",
        shape=shape,
        seed=0,
        count=count,
        as_url=False,
        with_metadata=False,
        with_latents=False,
    )
    order = Order(ask, submitted_s=0.0, answer=lambda _result: None)
    return [Job(order=order, index=index) for index in range(count)]
