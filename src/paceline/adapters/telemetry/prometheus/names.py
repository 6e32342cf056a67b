"""What engines call their metrics, as data: one dialect per engine.

Sources: vLLM 0.32 and llama.cpp `llama-server` as observed (their `/metrics` pages); SGLang from
docs.sglang.io, "Production metrics" (2026); ours from `runtimes.openai_face.metrics` and
`runtimes.image_server.metrics`. Several names for one meaning are spellings of different versions,
the newest last: it wins where a page has both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.records.telemetry import Counter, Gauge, Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The names of one engine. `prefix` begins every one of them, and only its own."""

    engine: str
    prefix: str
    gauges: Mapping[str, Gauge]
    counters: Mapping[str, Counter]
    times: Mapping[str, Times]


_VLLM: Final = Dialect(
    engine="vllm",
    prefix="vllm:",
    gauges={
        "num_requests_running": Gauge.REQUESTS_RUNNING,
        "num_requests_waiting": Gauge.REQUESTS_WAITING,
        "gpu_cache_usage_perc": Gauge.KV_CACHE_USAGE,
        "kv_cache_usage_perc": Gauge.KV_CACHE_USAGE,
    },
    counters={
        "prompt_tokens_total": Counter.PROMPT_TOKENS,
        "generation_tokens_total": Counter.GENERATION_TOKENS,
        "request_success_total": Counter.REQUESTS_FINISHED,
        "num_preemptions_total": Counter.PREEMPTIONS,
        "prefix_cache_queries_total": Counter.PREFIX_TOKENS_ASKED,
        "prefix_cache_hits_total": Counter.PREFIX_TOKENS_HIT,
        "spec_decode_num_drafts_total": Counter.SPECULATION_DRAFTS,
        "spec_decode_num_draft_tokens_total": Counter.SPECULATION_TOKENS_DRAFTED,
        "spec_decode_num_accepted_tokens_total": Counter.SPECULATION_TOKENS_ACCEPTED,
    },
    times={
        "time_to_first_token_seconds": Times.TTFT,
        "request_time_per_output_token_seconds": Times.TPOT,
        "time_per_output_token_seconds": Times.ITL,
        "inter_token_latency_seconds": Times.ITL,
        "e2e_request_latency_seconds": Times.E2E,
        "request_queue_time_seconds": Times.QUEUE,
        "request_prefill_time_seconds": Times.PREFILL,
        "request_decode_time_seconds": Times.DECODE,
    },
)
_SGLANG: Final = Dialect(
    engine="sglang",
    prefix="sglang:",
    gauges={
        "num_running_reqs": Gauge.REQUESTS_RUNNING,
        "num_queue_reqs": Gauge.REQUESTS_WAITING,
        "token_usage": Gauge.KV_CACHE_USAGE,
    },
    counters={
        "prompt_tokens_total": Counter.PROMPT_TOKENS,
        "generation_tokens_total": Counter.GENERATION_TOKENS,
        "num_requests_total": Counter.REQUESTS_FINISHED,
        "cached_tokens_total": Counter.PREFIX_TOKENS_HIT,
    },
    times={
        "time_to_first_token_seconds": Times.TTFT,
        "time_per_output_token_seconds": Times.ITL,
        "inter_token_latency_seconds": Times.ITL,
        "e2e_request_latency_seconds": Times.E2E,
    },
)
_LLAMA_CPP: Final = Dialect(
    engine="llama.cpp",
    prefix="llamacpp:",
    gauges={
        "requests_processing": Gauge.REQUESTS_RUNNING,
        "requests_deferred": Gauge.REQUESTS_WAITING,
        "kv_cache_usage_ratio": Gauge.KV_CACHE_USAGE,
    },
    counters={
        "prompt_tokens_total": Counter.PROMPT_TOKENS,
        "tokens_predicted_total": Counter.GENERATION_TOKENS,
        "prompt_tokens_cached_total": Counter.PREFIX_TOKENS_HIT,
        "spec_decode_num_drafts_total": Counter.SPECULATION_DRAFTS,
        "spec_decode_num_draft_tokens_total": Counter.SPECULATION_TOKENS_DRAFTED,
        "spec_decode_num_accepted_tokens_total": Counter.SPECULATION_TOKENS_ACCEPTED,
    },
    times={},
)
_IMAGES: Final = Dialect(
    engine="diffusers",
    prefix="image_server_",
    gauges={
        "requests_running": Gauge.REQUESTS_RUNNING,
        "requests_waiting": Gauge.REQUESTS_WAITING,
    },
    counters={
        "requests_finished_total": Counter.REQUESTS_FINISHED,
        "images_total": Counter.IMAGES,
        "batches_total": Counter.BATCHES,
    },
    times={
        "request_seconds": Times.E2E,
        "queue_seconds": Times.QUEUE,
        "inference_seconds": Times.INFERENCE,
    },
)


def _own(engine: str, prefix: str) -> Dialect:
    return Dialect(
        engine=engine,
        prefix=prefix,
        gauges={
            "requests_running": Gauge.REQUESTS_RUNNING,
            "requests_waiting": Gauge.REQUESTS_WAITING,
            "kv_cache_usage_ratio": Gauge.KV_CACHE_USAGE,
        },
        counters={
            "prompt_tokens_total": Counter.PROMPT_TOKENS,
            "generation_tokens_total": Counter.GENERATION_TOKENS,
            "requests_finished_total": Counter.REQUESTS_FINISHED,
        },
        times={
            "time_to_first_token_seconds": Times.TTFT,
            "time_per_output_token_seconds": Times.TPOT,
            "request_latency_seconds": Times.E2E,
        },
    )


DIALECTS: Final = (
    _VLLM,
    _SGLANG,
    _LLAMA_CPP,
    _IMAGES,
    _own("openvino", "openvino_server_"),
    _own("fake", "fake_server_"),
)
