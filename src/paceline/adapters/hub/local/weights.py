"""The weights of a model folder as a whole: which files, whether complete, how many parameters."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.architectures import architecture_of, sizes_of
from paceline.adapters.hub.local.dense import DENSE, LM_HEAD, dense_tensors
from paceline.adapters.hub.local.json_files import JsonObject, read_object
from paceline.adapters.hub.local.quantization import Quantization
from paceline.adapters.hub.local.safetensors import Tensor, read_header
from paceline.errors import Code, SpecError

WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
FORMATS: Final = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F8_E4M3": "fp8"}
"""Dtype of unquantized weights → format, as in `--format`."""
INTEGERS: Final = frozenset({"U8", "I8", "I32", "U32"})
SHOWN: Final = 3  # names in a message; a whole layer can be missing

_LAYER: Final = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
_PARAMETER: Final = re.compile(r"(?:weight|weight_packed|bias|blocks|sinks|_proj)$")
_BUFFER: Final = re.compile(r"\.(?:attn|attention)\.(?:masked_)?bias$")
"""Causal masks that old GPT-2 and GPT-NeoX checkpoints store under the name of a bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The tensors an engine would load, and the files they are in."""

    files: tuple[Path, ...]
    tensors: tuple[Tensor, ...]


def read_weights(folder: Path, *, name: str = WEIGHTS, variant: str | None = None) -> Weights:
    """Headers of the file `name`, else of the shards that its index names; else the same of their
    `variant` (`fp16`: `model.fp16.safetensors`).

    Raises SpecError: no safetensors weights, pickle only, a shard or a tensor missing, a file
    truncated or broken.
    """
    single = folder / name
    if single.exists():
        return Weights(files=(single,), tensors=read_header(single))
    index = folder / f"{name}.index.json"
    if index.exists():
        return _read_shards(index)
    if variant is not None:
        other, others = folder / _named(name, variant), folder / f"{name}.index.{variant}.json"
        if other.exists():
            return Weights(files=(other,), tensors=read_header(other))
        if others.exists():
            return _read_shards(others)
    raise _no_weights(folder, name, index.name)


def _named(name: str, variant: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{variant}.{suffix}"


def check_complete(weights: Weights, config: JsonObject, *, quantized: bool) -> None:
    """Every tensor that config.json implies is there.

    Names and shapes of each tensor for dense Llama-shaped models; for others each layer.
    Raises SpecError naming the first that are missing or of another shape.
    """
    if architecture_of(config) in DENSE and not quantized:
        _check_dense(weights.tensors, config)
        return
    seen = {int(found[1]) for tensor in weights.tensors if (found := _LAYER.search(tensor.name))}
    missing = [str(layer) for layer in range(sizes_of(config).layers) if layer not in seen]
    if missing:
        raise _incomplete("layers", missing, have=len(seen), need=sizes_of(config).layers)


def count_parameters(
    weights: Weights, config: JsonObject, quantization: Quantization | None
) -> int:
    """Parameters by the headers; packed integers count as the weights inside, scales do not.

    An output head that is stored although tied to the embedding is counted once.
    """
    tied = bool(config.get("tie_word_embeddings", False))
    bits = quantization.weight_bits if quantization else None
    return sum(
        _parameters(tensor, bits)
        for tensor in weights.tensors
        if not (tied and tensor.name == LM_HEAD)
    )


def format_of(weights: Weights, quantization: Quantization | None) -> str:
    """The format of most bytes. Raises SpecError when no engine serves weights of that dtype."""
    if quantization is not None:
        return quantization.format
    bits: Counter[str] = Counter()
    for tensor in weights.tensors:
        bits[tensor.dtype] += tensor.bits
    dtype = bits.most_common(1)[0][0] if bits else "none"
    if dtype not in FORMATS:
        raise SpecError(
            Code.UNSUPPORTED,
            f"most weights are stored as {dtype}",
            why=f"config.json names no quantization, and plain weights are {', '.join(FORMATS)}",
            fix="name an unquantized checkpoint, or one whose config.json has quantization_config",
        )
    return FORMATS[dtype]


def _read_shards(index: Path) -> Weights:
    folder = index.parent
    placed = read_object(index).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise _bad_index(index, f"weight_map is {type(placed).__name__}, not names of shards")
    names = sorted({str(shard) for shard in placed.values()})
    for name in names:
        if Path(name).name != name:
            raise _bad_index(index, f"shard {name!r} is not a file name")
    absent = [name for name in names if not (folder / name).exists()]
    if absent:
        raise SpecError(
            Code.BAD_MODEL,
            f"the model in {str(folder)!r} lacks {_shown(absent)}",
            why=f"{index.name} names {len(names)} shards, {len(names) - len(absent)} are there",
            fix=f"fetch {_shown(absent)} again",
        )
    tensors: list[Tensor] = []
    for name in names:
        held = {tensor.name: tensor for tensor in read_header(folder / name)}
        wanted = [tensor for tensor, shard in placed.items() if shard == name]
        lost = [tensor for tensor in wanted if tensor not in held]
        if lost:
            raise _bad_index(index, f"{name!r} lacks {_shown(lost)}, which the index places there")
        tensors += [held[tensor] for tensor in wanted]
    return Weights(files=tuple(folder / name for name in names), tensors=tuple(tensors))


def _bad_index(index: Path, why: str) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{index.name!r} does not fit the shards in {str(index.parent)!r}",
        why=why,
        fix="fetch the index and the shards again, of the same revision",
    )


def _no_weights(folder: Path, name: str, index: str) -> SpecError:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        names = []
    pickles = [name for name in names if name.endswith(PICKLES)]
    shards = [name for name in names if name.endswith(".safetensors")]
    if pickles and not shards:
        return SpecError(
            Code.BAD_MODEL,
            f"the weights in {str(folder)!r} are pickles: {_shown(pickles)}",
            why="loading a pickle can run any code; Paceline loads safetensors only",
            fix="convert once, where you trust it: AutoModelForCausalLM.from_pretrained(DIR)"
            ".save_pretrained(NEW) with transformers",
        )
    if "adapter_config.json" in names:
        return SpecError(
            Code.UNSUPPORTED,
            f"{str(folder)!r} is an adapter (LoRA), not a model",
            why="adapter_config.json is there and the weights of the model are not",
            fix="merge it into its base first: merge_and_unload() of peft, then save_pretrained",
        )
    found = f"found {_shown(shards)}" if shards else "no *.safetensors file is there"
    return SpecError(
        Code.BAD_MODEL,
        f"no weights to load in {str(folder)!r}",
        why=f"neither {name} nor {index} exists; {found}",
        fix=f"fetch {index} too" if shards else "fetch the weights, or name another folder",
    )


def _check_dense(tensors: Iterable[Tensor], config: JsonObject) -> None:
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    expected = dense_tensors(config)
    missing = [tensor.name for tensor in expected if tensor.name not in shapes]
    if missing:
        raise _incomplete("tensors", missing, have=len(expected) - len(missing), need=len(expected))
    for tensor in expected:
        if shapes[tensor.name] != tensor.shape:
            raise SpecError(
                Code.BAD_MODEL,
                f"{tensor.name!r} does not fit config.json",
                why=f"its shape is {list(shapes[tensor.name])};"
                f" config.json implies {list(tensor.shape)}",
                fix="use the config.json that belongs to these weights",
            )


def _incomplete(kind: str, missing: Collection[str], *, have: int, need: int) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"the weights lack {_shown(missing)}",
        why=f"config.json implies {need} {kind}, {have} of them are there",
        fix="fetch the weights again, or use the config.json that belongs to them",
    )


def _parameters(tensor: Tensor, weight_bits: int | None) -> int:
    if not _PARAMETER.search(tensor.name) or _BUFFER.search(tensor.name):
        return 0
    if tensor.dtype not in INTEGERS:
        return tensor.elements
    return tensor.bits // weight_bits if weight_bits else 0


def _shown(names: Collection[str]) -> str:
    few = ", ".join(repr(name) for name in list(names)[:SHOWN])
    return few if len(names) <= SHOWN else f"{few} and {len(names) - SHOWN} more"
