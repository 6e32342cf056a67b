"""A model as it lies in a folder: what it is, and the exact files it is made of."""

import hashlib
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
    has_chat_template: bool = True
    """False when the folder has none: chat requests then fail in most engines."""
    source: str | None = None
    """The name by which it is fetched again: `ORG/NAME@COMMIT` or a URL; `None` for a local one."""
    image_family: str | None = None
    """Key of `records.image_families` for an image generator; `None` for a language model."""

    @property
    def weight_bytes(self) -> int:
        """Size of the weights on disk: the sum of the safetensors files."""
        return sum(file.size_bytes for file in self.files if file.path.endswith(".safetensors"))

    @property
    def sha256(self) -> str:
        """Identity of the content: hashes every file's path and hash, not the folder's name."""
        lines = sorted(f"{file.sha256}  {file.path}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def outlined(
    name: str, *, folder: str, pipeline: str, image_family: str, parameters: int = 0
) -> Model:
    """An image model whose weights are not at hand: no files, and what is not known is 0."""
    return Model(
        name=name,
        folder=folder,
        architecture=pipeline,
        format="bf16",
        parameters=parameters,
        layers=0,
        hidden_size=0,
        kv_heads=0,
        head_size=0,
        max_context_tokens=None,
        files=(),
        has_chat_template=False,
        image_family=image_family,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthPlan:
    """A random-weight model that could be made."""

    shape: str
    architecture: str
    dtype: str
    parameters: int
    weight_bytes: int
    vocab_size: int
