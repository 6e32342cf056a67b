"""Counters, gauges and histograms of this server in the Prometheus text format."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_FIRST_TOKEN_BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_PER_TOKEN_BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0),
)


class Histogram:
    """A cumulative histogram with fixed bucket limits."""

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._limits, value)] += 1
        self._sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Bucket, sum and count lines."""
        total = 0
        for limit, count in zip((*self._limits, float("inf")), self._counts, strict=True):
            total += count
            label = "+Inf" if limit == float("inf") else f"{limit:g}"
            yield f'{name}_bucket{{le="{label}"}} {total}'
        yield f"{name}_sum {self._sum:.9g}"
        yield f"{name}_count {total}"


class ServerMetrics:
    """What a server has done since it started; `prefix` begins every name.

    Written by the engine only.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.running = 0
        self.waiting = 0
        self.cache_usage_ratio = 0.0
        self.cache_bytes = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished = {"stop": 0, "length": 0, "abort": 0, "error": 0}
        self.time_to_first_token_s = Histogram(_FIRST_TOKEN_BUCKETS_S)
        self.time_per_output_token_s = Histogram(_PER_TOKEN_BUCKETS_S)
        self.request_latency_s = Histogram(_FIRST_TOKEN_BUCKETS_S)

    def page(self) -> bytes:
        """The whole `/metrics` page."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        yield from self._one("requests_running", "gauge", "Requests being decoded.", self.running)
        yield from self._one(
            "requests_waiting", "gauge", "Requests without a first token.", self.waiting
        )
        yield from self._one(
            "kv_cache_usage_ratio",
            "gauge",
            "Used part of the KV cache, 0-1.",
            self.cache_usage_ratio,
        )
        yield from self._one("kv_cache_bytes", "gauge", "Allocated KV cache.", self.cache_bytes)
        yield from self._one("prompt_tokens_total", "counter", "Prompt tokens.", self.prompt_tokens)
        yield from self._one(
            "generation_tokens_total", "counter", "Generated tokens.", self.generation_tokens
        )
        name = f"{self._prefix}_requests_finished_total"
        yield from _head(name, "counter", "Requests by how they ended.")
        for reason, count in self.finished.items():
            yield f'{name}{{reason="{reason}"}} {count}'
        for short, text, histogram in (
            ("time_to_first_token", "From receipt to first token.", self.time_to_first_token_s),
            ("time_per_output_token", "Mean gap of one request.", self.time_per_output_token_s),
            ("request_latency", "From receipt to last token.", self.request_latency_s),
        ):
            name = f"{self._prefix}_{short}_seconds"
            yield from _head(name, "histogram", text)
            yield from histogram.lines(name)

    def _one(self, short: str, kind: str, text: str, value: int | float) -> Iterator[str]:
        name = f"{self._prefix}_{short}"
        yield from _head(name, kind, text)
        yield f"{name} {value}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
