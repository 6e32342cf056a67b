"""The settings file of `trtllm-serve`: from knobs to YAML, checked against a schema of ours.

The schema (`schema.json`, which names its source and version) stands for the engine's own classes,
which import only beside a card.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from paceline.errors import CandidateError, Code
from paceline.records.variant import Knob, Scalar

KNOBS: Final = (
    Knob(
        name="max_num_tokens",
        values=(8192, 2048, 16384),
        when="long prompts: smaller steps delay the tokens of the others less",
    ),
    Knob(
        name="max_batch_size",
        values=(2048, 256),
        when="more requests in flight than are worth a batch",
        limits_in_flight=True,
    ),
    Knob(
        name="chunked_prefill",
        values=(False, True),
        when="long prompts among running answers: in pieces they delay the others less",
    ),
    Knob(name="block_reuse", values=(True, False), when="prompts that begin alike, or never do"),
    Knob(
        name="kv_cache_dtype",
        values=("auto", "fp8"),
        when="many or long requests: an 8-bit cache holds twice as many tokens",
    ),
    Knob(
        name="kv_cache_fraction",
        values=(0.9, 0.8, 0.95),
        when="the KV cache is full, or a start runs out of memory",
    ),
)
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "max_num_tokens": ("max_num_tokens",),
    "max_batch_size": ("max_batch_size",),
    "chunked_prefill": ("enable_chunked_prefill",),
    "block_reuse": ("kv_cache_config", "enable_block_reuse"),
    "kv_cache_dtype": ("kv_cache_config", "dtype"),
    "kv_cache_fraction": ("kv_cache_config", "free_gpu_memory_fraction"),
}
_SIZES: Final = {"tensor": "tensor_parallel_size", "pipeline": "pipeline_parallel_size"}
_NGRAM: Final = {"decoding_type": "NGram", "max_draft_len": 5, "max_matching_ngram_size": 3}


def settings_of(
    knobs: Mapping[str, Scalar], *, count: int, speculation: str | None, weights: bool
) -> str:
    """The YAML of one variant on `count` cards; without `weights`, random ones.

    Raises CandidateError with the path in the file for a value that the schema does not allow.
    """
    settings: dict[str, Any] = {"backend": "pytorch"}
    given = dict(knobs)
    settings[_SIZES[str(given.pop("parallelism", "tensor"))]] = count
    if given.pop("expert_parallel", False):
        settings["moe_expert_parallel_size"] = count
    if not weights:
        settings["load_format"] = "dummy"
    for name, value in given.items():
        *groups, key = _PLACES[name]
        target = settings
        for group in groups:
            target = target.setdefault(group, {})
        target[key] = value
    if speculation is not None:
        settings["speculative_config"] = {"ngram": _NGRAM}[speculation]
        settings["disable_overlap_scheduler"] = True  # n-gram drafting needs each step's tokens
    check_settings(settings)
    return yaml.safe_dump(settings, sort_keys=True)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises CandidateError when the schema refuses them."""
    error = next(iter(_schema().iter_errors(settings)), None)
    if error is not None:
        raise CandidateError(
            Code.UNSUPPORTED,
            f"TensorRT-LLM has no such setting: {error.json_path}",
            why=error.message,
            fix="leave the knob out, or choose a value that docs/guides/engines.md lists",
        )


@cache
def _schema() -> Draft202012Validator:
    text = files("paceline.adapters.engines.tensorrt_llm").joinpath("schema.json").read_text()
    return Draft202012Validator(json.loads(text))
