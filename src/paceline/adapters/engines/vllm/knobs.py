"""vLLM's settings worth sweeping, as data, and how each is written on its command line.

Defaults are vLLM 0.32's own (`engine/arg_utils.py`, `get_batch_defaults`); on cards it raises the
batch limits with the card's memory, so a default is left to it and only a change is passed on.
"""

import json
from collections.abc import Mapping
from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.variant import Knob, Scalar, Variant

_CHUNKED: Final = Knob(
    name="chunked_prefill",
    values=(True, False),
    when="long prompts among running answers: in pieces they delay the others less",
)
_PREFIX: Final = Knob(
    name="prefix_caching", values=(True, False), when="prompts that begin alike, or never do"
)
_KV_DTYPE: Final = Knob(
    name="kv_cache_dtype",
    values=("auto", "fp8"),
    when="many or long requests: an 8-bit cache holds twice as many tokens",
)
_EAGER: Final = Knob(
    name="enforce_eager",
    values=(False, True),
    when="starts must be short: compiling is left out, and answers are slower",
)
CPU_KNOBS: Final = (
    Knob(
        name="max_num_batched_tokens",
        values=(2048, 512),
        when="long prompts: smaller steps delay the tokens of the others less",
    ),
    Knob(
        name="max_num_seqs",
        values=(128, 16),
        when="more requests in flight than are worth a batch",
        limits_in_flight=True,
    ),
    _CHUNKED,
    _PREFIX,
    _KV_DTYPE,
    _EAGER,
    Knob(
        name="all_cores",
        values=(False, True),
        when="few cores: by default one is kept free for the scheduler",
    ),
)
GPU_KNOBS: Final = (
    Knob(
        name="max_num_batched_tokens",
        values=(8192, 2048, 16384),
        when="long prompts: smaller steps delay the tokens of the others less",
    ),
    Knob(
        name="max_num_seqs",
        values=(1024, 256),
        when="more requests in flight than are worth a batch",
        limits_in_flight=True,
    ),
    _CHUNKED,
    _PREFIX,
    _KV_DTYPE,
    _EAGER,
    Knob(
        name="gpu_memory_utilization",
        values=(0.92, 0.85, 0.95),
        when="the KV cache is full (preemptions), or something else needs the card's memory",
    ),
)
PARALLEL_KNOBS: Final = (
    Knob(
        name="parallelism",
        values=("tensor", "pipeline", "data"),
        when="several cards: slow links favour pipeline, models that fit one card data",
    ),
    Knob(
        name="expert_parallel",
        values=(False, True),
        when="mixtures of experts on several cards: whole experts instead of slices of each",
    ),
)

_SIZES: Final = {
    "tensor": "--tensor-parallel-size",
    "pipeline": "--pipeline-parallel-size",
    "data": "--data-parallel-size",
}
_VALUES: Final = {
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "max_num_seqs": "--max-num-seqs",
    "kv_cache_dtype": "--kv-cache-dtype",
    "gpu_memory_utilization": "--gpu-memory-utilization",
}
_SWITCHES: Final = {
    "chunked_prefill": "--enable-chunked-prefill",
    "prefix_caching": "--enable-prefix-caching",
    "enforce_eager": "--enforce-eager",
    "expert_parallel": "--enable-expert-parallel",
}
_VARIABLES: Final = ("all_cores",)
"""Knobs that are told by an environment variable instead."""
# The last five to three tokens are looked up in what came before, and five are guessed from there.
_NGRAM: Final = {
    "method": "ngram",
    "num_speculative_tokens": 5,
    "prompt_lookup_max": 5,
    "prompt_lookup_min": 3,
}
_DRAFT: Final = {"method": "draft_model", "num_speculative_tokens": 5}


def knobs_for(kind: AcceleratorKind, devices: int) -> tuple[Knob, ...]:
    """Those that matter on this kind of accelerator, and on as many of them."""
    if kind is AcceleratorKind.CPU:
        return CPU_KNOBS
    return (*GPU_KNOBS, *(PARALLEL_KNOBS if devices > 1 else ()))


def flags_of(knobs: Mapping[str, Scalar], *, count: int, context_tokens: int) -> tuple[str, ...]:
    """The command line of these knobs on `count` devices."""
    given = {name: value for name, value in knobs.items() if name not in _VARIABLES}
    size = _SIZES[str(given.pop("parallelism", "tensor"))]
    parts = [] if size == _SIZES["tensor"] and count == 1 else [size, str(count)]
    if given.get("chunked_prefill") is False:
        # Without pieces a prompt must fit into one step, or vLLM refuses to start.
        given["max_num_batched_tokens"] = max(
            context_tokens, int(given.get("max_num_batched_tokens", 0))
        )
    for name, value in given.items():
        if name in _VALUES:
            parts += [_VALUES[name], str(value)]
        else:
            flag = _SWITCHES[name]
            parts.append(flag if value else f"--no-{flag.removeprefix('--')}")
    return tuple(parts)


def speculation_flags(variant: Variant) -> tuple[str, ...]:
    """The command line of n-gram speculation; a draft's is added when the draft is known."""
    if variant.speculation is None or variant.drafted:
        return ()
    return ("--speculative-config", json.dumps({"ngram": _NGRAM}[variant.speculation]))


def draft_flags(folder: str) -> tuple[str, ...]:
    """The command line of speculation with the small model in `folder`."""
    return ("--speculative-config", json.dumps({**_DRAFT, "model": folder}))
