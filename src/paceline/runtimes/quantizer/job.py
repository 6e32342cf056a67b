"""What one quantization is told, as the JSON file that Paceline writes for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One checkpoint to make.

    `algorithm` is `rtn` (round to nearest), `gptq` or `awq`; `scheme` is the name that
    compressed-tensors has for the bits and groups. `texts` are what the model reads meanwhile, cut
    after `max_tokens` each; empty for a scheme that looks at weights alone.
    """

    model: str
    out: str
    algorithm: str
    scheme: str
    ignore: tuple[str, ...]
    texts: tuple[str, ...]
    max_tokens: int
    seed: int
    threads: int


def read_job(path: Path) -> Job:
    """The job in `path`, which Paceline wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(fields[name]) for name in ("ignore", "texts")}
    return Job(**{**fields, **lists})
