"""Whether a repository really holds a checkpoint of a base model: facts in, a verdict out.

Tags are the evidence for kinship, not names; and what config.json and the hub's counts say must
agree with the base. Weights are not read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from paceline.adapters.hub.huggingface.client import Repo
from paceline.adapters.hub.huggingface.gguf import GgufModel, gguf_models
from paceline.adapters.hub.huggingface.schemes import scheme_of
from paceline.adapters.hub.huggingface.weights import BrokenIndex, weight_files
from paceline.records.checkpoint import Candidate, Misfit

Json = Mapping[str, object]

COUNT_TOLERANCE: Final = 0.02
"""Converters fold or add small tensors; another size of the same family is 30 % off or more."""
_SAME_IN_ALL: Final = (
    ("model type", ("model_type",)),
    ("hidden size", ("hidden_size", "n_embd", "d_model")),
    ("layers", ("num_hidden_layers", "n_layer", "num_layers")),
    ("vocabulary", ("vocab_size",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model whose relatives are looked for."""

    repo: Repo
    config: Json
    parameters: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The JSON files of a candidate; `broken` names one that does not parse, with the reason."""

    config: Json | None
    sidecar: Json | None = None
    index: Json | None = None
    broken: str | None = None


def judge(
    repo: Repo, documents: Documents, base: Base, *, allow_remote_code: bool
) -> tuple[tuple[Candidate, ...], tuple[Misfit, ...]]:
    """The checkpoints in `repo` that fit `base`, and what does not, with both sides."""
    misfit = _another_base(repo, base)
    if misfit is None and documents.broken is not None:
        misfit = _misfit(repo, documents.broken)
    if misfit is None and not allow_remote_code and (documents.config or {}).get("auto_map"):
        misfit = _misfit(repo, "runs Python code of its own (auto_map); see --allow-remote-code")
    if misfit is not None:
        return (), (misfit,)
    models = gguf_models(repo.files)
    if models:
        return _gguf(repo, models, base)
    found = _safetensors(repo, documents, base)
    return ((found,), ()) if isinstance(found, Candidate) else ((), (found,))


def stated_bases(repo: Repo) -> tuple[str, ...]:
    """What the repository says it was made from, most specific first."""
    exact = repo.tagged("base_model:quantized")
    plain = [tag for tag in repo.tagged("base_model") if ":" not in tag]
    return exact or tuple(plain)


def _another_base(repo: Repo, base: Base) -> Misfit | None:
    stated = stated_bases(repo)
    if not stated or base.repo.name.lower() in (name.lower() for name in stated):
        return None
    return _misfit(repo, "made from another model", have=", ".join(stated), need=base.repo.name)


def _another_shape(repo: Repo, config: Json | None, base: Base) -> Misfit | None:
    for word, keys in _SAME_IN_ALL:
        have, need = _first(config or {}, keys), _first(base.config, keys)
        if have is not None and need is not None and have != need:
            return _misfit(repo, f"another {word} than the base", have=str(have), need=str(need))
    return None


def _first(config: Json, keys: tuple[str, ...]) -> object:
    """The first of `keys` that is there, in the language part of a multimodal config."""
    text = config.get("text_config")
    for part in (text if isinstance(text, Mapping) else {}, config):
        for key in keys:
            if part.get(key) is not None:
                return part[key]
    return None


def _safetensors(repo: Repo, documents: Documents, base: Base) -> Candidate | Misfit:
    if any(file.path == "adapter_config.json" for file in repo.files):
        return _misfit(repo, "an adapter (LoRA), not a model")
    shape = _another_shape(repo, documents.config, base)
    if shape is not None:
        return shape
    try:
        files = weight_files(repo.files, documents.index)
    except BrokenIndex as error:
        return _misfit(repo, error.reason, have=error.have, need=error.need)
    scheme = scheme_of(documents.config or repo.summary, documents.sidecar)
    if scheme is None:
        return _misfit(repo, "not quantized: config.json has no quantization_config")
    if scheme.format is None:
        return _misfit(repo, f"quantized by {scheme.method!r} in a way that is not known here")
    return Candidate(
        repo=repo.name,
        revision=repo.revision,
        format=scheme.format,
        method=scheme.method,
        files=files,
        licence=repo.licence,
        gate=repo.gate,
        downloads=repo.downloads,
        stated=bool(stated_bases(repo)),
        note=scheme.note,
    )


def _gguf(
    repo: Repo, models: tuple[GgufModel, ...], base: Base
) -> tuple[tuple[Candidate, ...], tuple[Misfit, ...]]:
    counted = repo.gguf.get("total")
    if isinstance(counted, int) and base.parameters is not None:
        off = abs(counted - base.parameters)
        if off > COUNT_TOLERANCE * base.parameters + _table(base.config):
            have, need = f"{counted:,}", f"{base.parameters:,}"
            return (), (_misfit(repo, "another number of parameters", have=have, need=need),)
    note = "importance matrix" if _imatrix(repo) else ""
    candidates = [
        Candidate(
            repo=repo.name,
            revision=repo.revision,
            format=model.format,
            method="gguf",
            files=model.files,
            licence=repo.licence,
            gate=repo.gate,
            downloads=repo.downloads,
            stated=bool(stated_bases(repo)),
            note=note,
        )
        for model in models
        if model.format is not None and len(model.files) == model.parts
    ]
    return tuple(candidates), tuple(_gguf_misfits(repo, models))


def _gguf_misfits(repo: Repo, models: tuple[GgufModel, ...]) -> Iterator[Misfit]:
    for model in models:
        name = model.files[0].path
        if model.format is None:
            yield _misfit(repo, f"{name!r} does not name its quantization")
        elif len(model.files) != model.parts:
            have, need = f"{len(model.files)} parts", f"{model.parts} parts"
            yield _misfit(repo, f"{name!r} is incomplete", have=have, need=need)


def _table(config: Json) -> int:
    """Parameters of an output head, which a converter may store beside a tied embedding."""
    vocabulary, width = _first(config, ("vocab_size",)), _first(config, ("hidden_size", "n_embd"))
    if isinstance(vocabulary, int) and isinstance(width, int):
        return vocabulary * width
    return 0


def _imatrix(repo: Repo) -> bool:
    return "imatrix" in repo.tags or bool(repo.gguf.get("quantize_imatrix_file"))


def _misfit(repo: Repo, reason: str, *, have: str | None = None, need: str | None = None) -> Misfit:
    return Misfit(repo=repo.name, revision=repo.revision, reason=reason, have=have, need=need)
