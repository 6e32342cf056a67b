"""One thread that steps the continuous batching pipeline; everything else only relays.

`step()` releases the interpreter lock while it computes, so the event loop sends the tokens of
one step while the next one runs. Deltas of a step travel to the loop in a single call: one wake-up
per step, not per token.
Not covered: several models, beam search, LoRA.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino
import openvino_genai

from paceline.runtimes.openai_face.api import Sampling
from paceline.runtimes.openai_face.generation import Delta, Generation
from paceline.runtimes.openai_face.metrics import ServerMetrics

log = logging.getLogger("openvino_server")

_FINISH: Final = {
    openvino_genai.GenerationFinishReason.STOP: "stop",
    openvino_genai.GenerationFinishReason.LENGTH: "length",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How to build the pipeline; `None` leaves OpenVINO's own choice.

    `cache_gib` 0 lets the KV cache grow as needed.
    """

    model: Path
    device: str = "CPU"
    threads: int | None = None
    cache_gib: int = 0
    max_batched_tokens: int = 256
    max_sequences: int = 256
    split_prompts: bool = True
    prefix_caching: bool = False
    kv_cache_precision: str | None = None
    inference_precision: str | None = None


class EngineThread(threading.Thread):
    """Owns the pipeline: nothing else may touch it. `submit` and `cancel` are thread-safe."""

    def __init__(
        self,
        pipeline: Any,
        *,
        loop: asyncio.AbstractEventLoop,
        metrics: ServerMetrics,
        on_dead: Callable[[], None],
    ) -> None:
        super().__init__(name="engine", daemon=True)
        self._pipeline = pipeline
        self._defaults = pipeline.get_config()
        self._loop = loop
        self._metrics = metrics
        self._on_dead = on_dead
        self._inbox: queue.SimpleQueue[Generation | None] = queue.SimpleQueue()
        self._active: list[Generation] = []
        self._next_id = 0
        self._open = True
        self.alive = True

    def submit(self, generation: Generation) -> None:
        """Queue a generation; its deltas follow until one has a `finish`."""
        self._inbox.put(generation)

    @staticmethod
    def cancel(generation: Generation) -> None:
        """Drop a generation at the next step; no further delta follows."""
        generation.cancelled = True

    def stop(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._inbox.put(None)

    def run(self) -> None:
        """Admit, step, deliver, until stopped or broken."""
        try:
            while self._admit():
                self._step()
        except (RuntimeError, MemoryError) as error:
            # The pipeline's state is unknown now: whoever started us starts a fresh process.
            log.critical("engine step failed: %s", error, exc_info=error)
            self.alive = False
            self._fail_all(f"the engine failed: {error}")
            self._loop.call_soon_threadsafe(self._on_dead)

    def _admit(self) -> bool:
        """Take in what is queued, waiting if nothing is active; False when there is no more."""
        while True:
            idle = not self._active
            if idle and not self._open:
                return False
            if idle:
                self._measure()
            try:
                generation = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if generation is None:
                self._open = False
            elif not generation.cancelled:
                self._start(generation)

    def _start(self, generation: Generation) -> None:
        self._next_id += 1
        ids = openvino.Tensor(np.array([generation.prompt_ids], dtype=np.int64))
        try:
            config = generation_config(generation.sampling, self._defaults)
            generation.handle = self._pipeline.add_request(self._next_id, ids, config)
        except RuntimeError as error:  # refused by the pipeline's own checks: this request only
            self._deliver([(generation, generation.failed(str(error)))])
            return
        self._metrics.prompt_tokens += len(generation.prompt_ids)
        self._active.append(generation)

    def _step(self) -> None:
        self._pipeline.step()
        events = []
        going = []
        for generation in self._active:
            delta = self._collect(generation)
            if delta is not None:
                events.append((generation, delta))
            if generation.cancelled or (delta is not None and delta.finish is not None):
                self._retire(generation, delta)
            else:
                going.append(generation)
        self._active = going
        self._deliver(events)
        self._measure()

    def _collect(self, generation: Generation) -> Delta | None:
        if generation.cancelled:
            return None
        handle = generation.handle
        ids: list[int] = []
        logprobs: list[float] = []
        finish = None
        while handle.can_read():
            (output,) = handle.read().values()
            ids.extend(output.generated_ids)
            logprobs.extend(output.generated_log_probs)
            finish = _FINISH.get(output.finish_reason, finish)
        if finish is None and handle.get_status() == openvino_genai.GenerationStatus.IGNORED:
            return generation.failed("the KV cache is full; raise --cache-gib or lower the load")
        return generation.feed(ids, logprobs, finish) if ids or finish else None

    def _retire(self, generation: Generation, delta: Delta | None) -> None:
        now_s = time.monotonic()
        if generation.handle.get_status() == openvino_genai.GenerationStatus.RUNNING:
            generation.handle.cancel()
        reason = "abort" if delta is None or delta.finish is None else delta.finish
        metrics = self._metrics
        metrics.finished[reason] += 1
        metrics.generation_tokens += generation.tokens
        if reason not in ("stop", "length"):
            return
        metrics.request_latency_s.observe(now_s - generation.submitted_s)
        if generation.first_token_s is not None:
            first_s = generation.first_token_s
            metrics.time_to_first_token_s.observe(first_s - generation.submitted_s)
            if generation.tokens > 1:
                gap_s = (now_s - first_s) / (generation.tokens - 1)
                metrics.time_per_output_token_s.observe(gap_s)

    def _measure(self) -> None:
        seen = self._pipeline.get_metrics()
        waiting = sum(1 for generation in self._active if generation.tokens == 0)
        self._metrics.waiting = waiting + self._inbox.qsize()
        self._metrics.running = len(self._active) - waiting
        self._metrics.cache_usage_ratio = seen.cache_usage / 100
        self._metrics.cache_bytes = seen.cache_size_in_bytes

    def _deliver(self, events: list[tuple[Generation, Delta]]) -> None:
        if events:
            self._loop.call_soon_threadsafe(_hand_out, events)

    def _fail_all(self, message: str) -> None:
        while not self._inbox.empty():
            generation = self._inbox.get()
            if generation is not None:
                self._active.append(generation)
        self._deliver([(one, one.failed(message)) for one in self._active])
        self._active = []


def build_pipeline(options: EngineOptions) -> Any:
    """Load and compile the model (seconds); raises RuntimeError in OpenVINO's words."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = options.cache_gib
    scheduler.max_num_batched_tokens = options.max_batched_tokens
    scheduler.max_num_seqs = options.max_sequences
    scheduler.dynamic_split_fuse = options.split_prompts
    scheduler.enable_prefix_caching = options.prefix_caching
    return openvino_genai.ContinuousBatchingPipeline(
        str(options.model), scheduler, options.device, device_properties(options)
    )


def device_properties(options: EngineOptions) -> dict[str, Any]:
    """OpenVINO's own names for what was set."""
    wanted: Mapping[str, Any] = {
        "INFERENCE_NUM_THREADS": options.threads,
        "KV_CACHE_PRECISION": options.kv_cache_precision,
        "INFERENCE_PRECISION_HINT": options.inference_precision,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def generation_config(sampling: Sampling, defaults: Any) -> Any:
    """The pipeline's settings for one request; greedy exactly when the temperature is 0.

    The pipeline has one random generator, so a seed repeats only without neighbours.
    """
    greedy = sampling.temperature == 0 or (sampling.temperature is None and not defaults.do_sample)
    settings: dict[str, Any] = {
        "max_new_tokens": sampling.max_tokens,
        "min_new_tokens": sampling.min_tokens,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "repetition_penalty": defaults.repetition_penalty,
        "eos_token_id": defaults.eos_token_id,
        "ignore_eos": sampling.ignore_eos,
        "logprobs": int(sampling.logprobs),
        "do_sample": not greedy,
    }
    if not sampling.ignore_eos:
        settings["stop_token_ids"] = defaults.stop_token_ids
    if not greedy:
        settings["temperature"] = sampling.temperature or defaults.temperature
        settings["top_p"] = sampling.top_p if sampling.top_p is not None else defaults.top_p
        settings["top_k"] = _top_k(sampling.top_k or defaults.top_k)
        settings["rng_seed"] = None if sampling.seed is None else sampling.seed % 2**32
    given = {name: value for name, value in settings.items() if value is not None}
    return openvino_genai.GenerationConfig(**given)


def _top_k(value: int) -> int | None:
    # Negative and 2**64 - 1 (which the binding hands out but does not take) both mean: no limit.
    return value if 0 < value < 2**63 else None


def _hand_out(events: list[tuple[Generation, Delta]]) -> None:
    for generation, delta in events:
        if not generation.cancelled:
            generation.on_delta(delta)
