"""Which files of a repository make up a Diffusers pipeline: of each component, in one precision.

Layout: `diffusers.DiffusionPipeline.save_pretrained` (diffusers 0.42). Repositories of pipelines
also hold the same weights in one large file, in 32 bits or as ONNX: those are left out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from paceline.adapters.hub.huggingface.weights import PICKLES, BrokenIndex
from paceline.records.checkpoint import RemoteFile

PIPELINE_INDEX: Final = "model_index.json"
LIBRARIES: Final = ("diffusers", "transformers")
"""Where components may come from that bring no Python code of their own."""
READ: Final = (".json", ".txt", ".model", ".jinja")
"""Small files of a component: configs, indices, vocabularies, templates."""
VARIANTS: Final = ("", ".fp16")
MUCH_LARGER: Final = 1.5
"""The plain files are taken unless they are so many times the size of the 16-bit ones: 32 bits."""
_OF_DIFFUSERS: Final = ("transformer", "unet", "vae")
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFiles:
    """`small` ones are enough to plan; `weights` in the order of the components."""

    small: tuple[RemoteFile, ...]
    weights: tuple[RemoteFile, ...]


def pipeline_files(files: Iterable[RemoteFile], index: Mapping[str, object]) -> PipelineFiles:
    """What the components that `index` names need. Raises BrokenIndex naming what is not there."""
    inside: dict[str, dict[str, RemoteFile]] = {name: {} for name in libraries_of(index)}
    for file in files:
        folder, _, name = file.path.partition("/")
        if folder in inside and "/" not in name:
            inside[folder][name] = file
    absent = [name for name, found in inside.items() if not found]
    if absent or not inside:
        raise BrokenIndex(
            f"{PIPELINE_INDEX} names components that are not there: {', '.join(absent) or 'none'}",
            have=f"{len(inside) - len(absent)} components",
            need=f"{len(inside) or 'at least 1'}",
        )
    return PipelineFiles(
        small=tuple(f for one in inside.values() for n, f in one.items() if n.endswith(READ)),
        weights=tuple(f for name, one in inside.items() for f in _weights(name, one)),
    )


def libraries_of(index: Mapping[str, object]) -> Mapping[str, str]:
    """Component → the library of its class, without those that the pipeline goes without."""
    return {
        name: str(pair[0])
        for name, pair in index.items()
        if isinstance(pair, list) and len(pair) == _PAIR and pair != [None, None]
    }


def _weights(component: str, files: Mapping[str, RemoteFile]) -> tuple[RemoteFile, ...]:
    """Nothing for a component without any, such as a tokenizer."""
    if component not in _OF_DIFFUSERS and "encoder" not in component:
        return ()
    stem = "diffusion_pytorch_model" if component in _OF_DIFFUSERS else "model"
    found = [one for variant in VARIANTS if (one := _in_variant(component, stem, variant, files))]
    if not found:
        if any(name.endswith(PICKLES) for name in files):
            raise BrokenIndex(f"the weights of {component!r} are pickles, which can run any code")
        raise BrokenIndex(
            f"{component!r} has no weights: no {stem}.safetensors, whole or in shards"
        )
    plain, other = found[0], found[-1]
    return other if _size(plain) > MUCH_LARGER * _size(other) else plain


def _in_variant(
    component: str, stem: str, variant: str, files: Mapping[str, RemoteFile]
) -> tuple[RemoteFile, ...]:
    """The single file, else all its shards; empty where there are none."""
    single = files.get(f"{stem}{variant}.safetensors")
    if single is not None:
        return (single,)
    shard = re.compile(re.escape(f"{stem}{variant}-") + r"\d+-of-(\d+)\.safetensors")
    parts = {name: match for name in files if (match := shard.fullmatch(name))}
    if not parts:
        return ()
    need = max(int(match[1]) for match in parts.values())
    index = f"{stem}.safetensors.index{variant}.json"
    if len(parts) < need or index not in files:
        raise BrokenIndex(
            f"the weights of {component!r} are not all there",
            have=f"{len(parts)} shards{'' if index in files else f', no {index}'}",
            need=f"{need} shards and {index}",
        )
    return tuple(files[name] for name in sorted(parts))


def _size(files: Iterable[RemoteFile]) -> int:
    return sum(file.size_bytes for file in files)
