"""SGLang's settings worth sweeping, as data, and how each is written on its command line.

A default is left to SGLang (0.5.23), which works it out from the card's memory; the first value of
a knob names it for people.
"""

from collections.abc import Mapping
from typing import Final

from paceline.records.variant import Knob, Scalar

KNOBS: Final = (
    Knob(
        name="chunked_prefill_size",
        values=(8192, 256, 512, 1024),
        when="long prompts among running answers: 512 mixed, 1024 short, 256 long system prompts",
    ),
    Knob(
        name="mem_fraction_static",
        values=(0.88, 0.8, 0.92),
        when="the KV cache is full, or a start runs out of memory",
    ),
    Knob(
        name="schedule_policy",
        values=("fcfs", "lpm"),
        when="prompts that begin alike: longest prefix match keeps them together",
    ),
    Knob(name="radix_cache", values=(True, False), when="prompts that begin alike, or never do"),
    Knob(
        name="kv_cache_dtype",
        values=("auto", "fp8_e4m3"),
        when="many or long requests: an 8-bit cache holds twice as many tokens",
    ),
)
_VALUES: Final = {
    "chunked_prefill_size": "--chunked-prefill-size",
    "mem_fraction_static": "--mem-fraction-static",
    "schedule_policy": "--schedule-policy",
    "kv_cache_dtype": "--kv-cache-dtype",
    "max_running_requests": "--max-running-requests",
    "attention_backend": "--attention-backend",
}
_SIZES: Final = {"tensor": "--tp-size", "pipeline": "--pp-size", "data": "--dp-size"}
_NGRAM: Final = ("--speculative-algorithm", "NGRAM", "--speculative-num-draft-tokens", "8")


def flags_of(knobs: Mapping[str, Scalar], *, count: int) -> tuple[str, ...]:
    """The command line of these knobs on `count` cards."""
    given = dict(knobs)
    size = _SIZES[str(given.pop("parallelism", "tensor"))]
    parts = [size, str(count)] if count > 1 else []
    if given.pop("expert_parallel", False):
        parts += ["--ep-size", str(count)]
    if given.pop("radix_cache", True) is False:
        parts.append("--disable-radix-cache")
    for name, value in given.items():
        parts += [_VALUES[name], str(value)]
    return tuple(parts)


def speculation_flags(method: str | None) -> tuple[str, ...]:
    """The command line of a way to speculate; KeyError is our bug, the planner asks first."""
    return () if method is None else {"ngram": _NGRAM}[method]
