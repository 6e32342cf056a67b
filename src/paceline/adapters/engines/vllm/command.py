"""The command line and the environment variables of one vLLM process."""

import json
import os
from pathlib import Path
from typing import Final

from paceline.adapters.engines.vllm.knobs import flags_of, speculation_flags
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import Artefact, Environment
from paceline.records.model import Model
from paceline.records.variant import Variant
from paceline.units import BYTES_PER_GIB

GRACE_S: Final = 20
"""`--shutdown-timeout`: its default 0 aborts what is in flight on SIGTERM (vLLM 0.32)."""

_DTYPES: Final = {"fp16": "float16"}
_DEFAULT_CONTEXT_TOKENS: Final = 4096
_DEFAULT_SEQUENCES: Final = 128
# The cache on a processor comes out of the memory that the weights, the compiler and the load
# client need too; vLLM would take what is left.
_KV_SHARE: Final = 0.3
_KV_BYTES_PER_ELEMENT: Final = 2
_TCMALLOC: Final = (
    "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
    "/usr/lib/aarch64-linux-gnu/libtcmalloc_minimal.so.4",
    "/usr/lib64/libtcmalloc_minimal.so.4",
)
_OPENMP: Final = "lib/libiomp5.so"


def command_line(
    variant: Variant,
    artefact: Artefact,
    model: Model,
    *,
    environment: Environment,
    place: Accelerator,
    port: int,
) -> tuple[str, ...]:
    """`vllm serve …`; request logs off, statistics on, because they are measured."""
    context = model.max_context_tokens or _DEFAULT_CONTEXT_TOKENS
    knobs = dict(variant.knobs)
    return (
        *(str(Path(environment.bin_dir) / "vllm"), "serve", artefact.folder),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", model.name),
        *("--shutdown-timeout", str(GRACE_S), "--no-enable-log-requests"),
        *("--dtype", _DTYPES.get(variant.format, "auto")),
        *(() if artefact.size_bytes else ("--load-format", "dummy")),
        *(("--quantization", "fp8") if _made_while_loading(variant, artefact) else ()),
        *_cache_size(model, place, sequences=int(knobs.get("max_num_seqs", _DEFAULT_SEQUENCES))),
        *flags_of(knobs, count=variant.count, context_tokens=context),
        *speculation_flags(variant.speculation),
    )


def offline_variables(environment: Environment) -> dict[str, str]:
    """What every vLLM process gets: no network, no telemetry, its own tools first."""
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        # ninja, which compiles kernels at the first start, lies beside the interpreter.
        "PATH": os.pathsep.join([environment.bin_dir, os.environ.get("PATH", os.defpath)]),
    }


def variables(variant: Variant, environment: Environment, place: Accelerator) -> dict[str, str]:
    """`offline_variables`, and on processors the libraries and cores that vLLM recommends."""
    common = offline_variables(environment)
    if place.kind is not AcceleratorKind.CPU:
        return common
    libraries = (*_TCMALLOC, str(Path(environment.bin_dir).parent / _OPENMP))
    preload = [path for path in libraries if Path(path).is_file()]
    all_cores = bool(dict(variant.knobs).get("all_cores"))
    return {
        **common,
        **({"LD_PRELOAD": os.pathsep.join(preload)} if preload else {}),
        **({"VLLM_CPU_OMP_THREADS_BIND": _every_core(place)} if all_cores else {}),
    }


def _cache_size(model: Model, place: Accelerator, *, sequences: int) -> tuple[str, ...]:
    """Room for every sequence at full length, within a share of the memory, at least for one.

    On cards vLLM measures what is left itself.
    """
    if place.kind is not AcceleratorKind.CPU:
        return ()
    per_token = model.layers * 2 * model.kv_heads * model.head_size * _KV_BYTES_PER_ELEMENT
    one = per_token * (model.max_context_tokens or _DEFAULT_CONTEXT_TOKENS)
    share = int(place.memory_gib * BYTES_PER_GIB * _KV_SHARE)
    return ("--kv-cache-memory-bytes", str(max(one, min(one * sequences, share))))


def _made_while_loading(variant: Variant, artefact: Artefact) -> bool:
    """Whether FP8 was asked for and the folder holds unquantized weights."""
    if variant.format != "fp8":
        return False
    config = json.loads((Path(artefact.folder) / "config.json").read_text(encoding="utf-8"))
    return "quantization_config" not in config


def _every_core(place: Accelerator) -> str:
    """The cores this process may use, up to as many as the variant has."""
    cores = sorted(os.sched_getaffinity(0))[: place.cores]
    return ",".join(str(core) for core in cores)
