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

_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16"}
_DEFAULT_CONTEXT_TOKENS: Final = 4096
SEQUENCES: Final = 128
# The cache on a processor comes out of the memory that the weights, the compiler and the load
# client need too; vLLM would take what is left.
_CPU_KV_SHARE: Final = 0.3
# Of a card vLLM takes 0.92 (0.32, `config/cache.py`); activations and graphs come out of that too.
_CARD_SHARE: Final = 0.8
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
    knobs = dict(variant.knobs)
    room = _cache_room_bytes(place, artefact, count=variant.count)
    whole, context = _context_tokens(model, room)
    return (
        *(str(Path(environment.bin_dir) / "vllm"), "serve", artefact.folder),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", model.name),
        *("--shutdown-timeout", str(GRACE_S), "--no-enable-log-requests"),
        *("--dtype", _DTYPES.get(variant.format, "auto")),
        *(() if artefact.size_bytes else ("--load-format", "dummy")),
        *(("--quantization", "fp8") if _made_while_loading(variant, artefact) else ()),
        *(() if context == whole else ("--max-model-len", str(context))),
        *_cache_size(model, place, room, sequences=int(knobs.get("max_num_seqs", SEQUENCES))),
        *flags_of(knobs, count=variant.count, context_tokens=context),
        *speculation_flags(variant),
    )


def offline_variables(environment: Environment) -> dict[str, str]:
    """What every vLLM process gets: no network, no telemetry, its own tools first."""
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        # Beside what compiled it, where the next start finds it; PyTorch's own choice is the
        # temporary folder, which ends with the process. vLLM has a place for most of it.
        "TORCHINDUCTOR_CACHE_DIR": str(Path(environment.bin_dir).parent / "compiled"),
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
        # What it compiled ahead of time on a processor it cannot load again (0.32: "no attribute
        # 'finalize_loading'"), and compiles anew; Inductor's own cache it does load.
        "VLLM_USE_AOT_COMPILE": "0",
        **({"LD_PRELOAD": os.pathsep.join(preload)} if preload else {}),
        **({"VLLM_CPU_OMP_THREADS_BIND": _every_core(place)} if all_cores else {}),
    }


def _cache_room_bytes(place: Accelerator, artefact: Artefact, *, count: int) -> int:
    """What the KV cache may take: a share of a machine's memory, what weights leave of cards."""
    memory = place.memory_gib * BYTES_PER_GIB
    if place.kind is AcceleratorKind.CPU:
        return int(memory * _CPU_KV_SHARE)
    return max(0, int(memory * count * _CARD_SHARE) - artefact.size_bytes)


def _context_tokens(model: Model, room_bytes: int) -> tuple[int, int]:
    """The model's context and as much of it as there is room for: one request must fit at least,
    or vLLM refuses to start."""
    whole = model.max_context_tokens or _DEFAULT_CONTEXT_TOKENS
    return whole, max(1, min(whole, room_bytes // _bytes_per_token(model)))


def _cache_size(
    model: Model, place: Accelerator, room_bytes: int, *, sequences: int
) -> tuple[str, ...]:
    """Room for every sequence at full length; on cards vLLM measures what is left itself."""
    if place.kind is not AcceleratorKind.CPU:
        return ()
    context = model.max_context_tokens or _DEFAULT_CONTEXT_TOKENS
    wanted = sequences * context * _bytes_per_token(model)
    return ("--kv-cache-memory-bytes", str(min(wanted, room_bytes)))


def _bytes_per_token(model: Model) -> int:
    return model.layers * 2 * model.kv_heads * model.head_size * _KV_BYTES_PER_ELEMENT


def _made_while_loading(variant: Variant, artefact: Artefact) -> bool:
    """Whether FP8 was asked for and the folder holds unquantized weights."""
    if variant.format != "fp8":
        return False
    config = json.loads((Path(artefact.folder) / "config.json").read_text(encoding="utf-8"))
    return "quantization_config" not in config


def _every_core(place: Accelerator) -> str:
    """The cores that engines are kept to, or all that this process may use."""
    cores = place.engine_cores or sorted(os.sched_getaffinity(0))[: place.cores]
    return ",".join(str(core) for core in cores)
