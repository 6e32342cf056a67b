"""GGUF files by what their names say: the quantization, and which parts belong together.

One repository holds many; each complete one is a checkpoint. Names follow llama.cpp's convention
(`docs` of ggml, "GGUF naming convention"; parts as `llama-gguf-split` writes them).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from paceline.records.checkpoint import RemoteFile

_QUANT: Final = re.compile(
    r"(?:^|[-._/])(i?q[1-8]_(?:k(?:_[sml]|_xl)?|[01]|xxs|xs|s|m|nl)|tq[12]_0|bf16|f16|f32|mxfp4)"
    r"(?:[-._].*)?$",
    re.IGNORECASE,
)
_PART: Final = re.compile(r"^(.*)-(\d{5})-of-(\d{5})$")
_NOT_MODELS: Final = re.compile(r"(?:^|/)(?:mmproj|imatrix)|imatrix\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufModel:
    """One model in one quantization; `parts` is how many files its name promises."""

    format: str | None
    files: tuple[RemoteFile, ...]
    parts: int


def gguf_models(files: Iterable[RemoteFile]) -> tuple[GgufModel, ...]:
    """The models in a repository, in the order of their names; projectors are left out."""
    grouped: dict[str, list[RemoteFile]] = defaultdict(list)
    promised: dict[str, int] = {}
    for file in files:
        if not file.path.lower().endswith(".gguf") or _NOT_MODELS.search(file.path):
            continue
        stem = file.path[: -len(".gguf")]
        part = _PART.match(stem)
        stem = part[1] if part else stem
        grouped[stem].append(file)
        promised[stem] = int(part[3]) if part else 1
    return tuple(
        GgufModel(format=_format(stem), files=tuple(grouped[stem]), parts=promised[stem])
        for stem in sorted(grouped)
    )


def _format(stem: str) -> str | None:
    """`gguf-q4_k_m` from `Chat-8B-Q4_K_M`, or from the folder that split files are put in."""
    for text in (stem.rpartition("/")[2], stem.rpartition("/")[0]):
        found = _QUANT.search(text)
        if found:
            return f"gguf-{found[1].lower()}"
    return None
