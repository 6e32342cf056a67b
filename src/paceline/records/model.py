"""A model as it lies in a folder: what it is, and the exact files it is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHash:
    """One file of a checkpoint, path relative to its folder."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A checked local checkpoint in Hugging Face layout.

    `format` is the precision of its weights as found (`bf16`, `fp16`, `fp32` …). Counts come from
    config.json and the safetensors headers, not from names.
    """

    name: str
    folder: str
    architecture: str
    format: str
    parameters: int
    layers: int
    hidden_size: int
    kv_heads: int
    head_size: int
    max_context_tokens: int | None
    files: tuple[FileHash, ...]
    suite_path: str | None = None
    """Quality items that ship with the model, if any."""
    trained: bool = True
    """False for random weights (`models synth`): quality is then not measurable."""
