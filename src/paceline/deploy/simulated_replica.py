"""One replica of a simulated fleet: cold start, then requests that share it."""

import heapq
import math
from typing import Final

import numpy as np

from paceline.records.scaling import Replica
from paceline.units import MS_PER_S

_TOKENS_PER_1K: Final = 1000.0


class ServiceModel:
    """TTFT and seconds per token for each number in flight, up to the replica's concurrency."""

    def __init__(self, replica: Replica) -> None:
        counts = np.arange(replica.concurrency + 1)
        points = replica.service
        at = [point.concurrency for point in points]
        ttft_s = np.interp(counts, at, [point.ttft_ms / MS_PER_S for point in points])
        step_s = np.interp(counts, at, [point.tpot_ms / MS_PER_S for point in points])
        self.ttft_s: list[float] = ttft_s.tolist()
        self.step_s: list[float] = step_s.tolist()
        self.ttft_s_per_1k_input = replica.ttft_ms_per_1k_input / MS_PER_S
        self.concurrency = replica.concurrency

    def steps(self, in_flight: int, input_tokens: int, output_tokens: int) -> float:
        """The work of a request in token steps, its prefill included, when it joins as the last.

        TTFT is turned into as many steps as fit into it, so that alone it takes
        `ttft + tpot × (output tokens − 1)`, the definition of the two.
        """
        ttft_s = self.ttft_s[in_flight] + self.ttft_s_per_1k_input * input_tokens / _TOKENS_PER_1K
        return ttft_s / self.step_s[in_flight] + output_tokens - 1

    def requests_per_s(self, input_tokens: float, output_tokens: float) -> float:
        """What a full replica answers of requests of this length."""
        n = self.concurrency
        ttft_s = self.ttft_s[n] + self.ttft_s_per_1k_input * input_tokens / _TOKENS_PER_1K
        return n / (ttft_s + self.step_s[n] * max(output_tokens - 1, 0))


class SimulatedReplica:
    """Starting until `ready_s`, then serving; all its requests advance at the same pace.

    Progress is counted in token steps on a common scale, so that a request joining or leaving
    changes the pace of the others without touching their entries.
    """

    def __init__(self, model: ServiceModel, *, launched_s: float, ready_s: float) -> None:
        self.launched_s = launched_s
        self.ready_s = ready_s
        self.starting = launched_s < ready_s
        self.draining = False
        self.idle_since_s = ready_s
        self.request_s = 0.0
        """Requests in flight × seconds so far."""
        self._model = model
        self._ends: list[float] = []
        self._steps = 0.0
        self._last_s = launched_s

    @property
    def in_flight(self) -> int:
        """Requests it works on."""
        return len(self._ends)

    @property
    def takes(self) -> bool:
        """Whether it may be given another request."""
        return not self.starting and not self.draining and self.in_flight < self._model.concurrency

    def next_s(self) -> float:
        """When it becomes ready or ends its next request, as things stand; infinite if never."""
        if self.starting:
            return self.ready_s
        if not self._ends:
            return math.inf
        left = max(self._ends[0] - self._steps, 0.0)
        return self._last_s + left * self._model.step_s[len(self._ends)]

    def give(self, now_s: float, input_tokens: int, output_tokens: int) -> None:
        """Start a request."""
        self._advance(now_s)
        steps = self._model.steps(len(self._ends) + 1, input_tokens, output_tokens)
        heapq.heappush(self._ends, self._steps + steps)

    def end_one(self, now_s: float) -> None:
        """End the request that is due now."""
        self._advance(now_s)
        self._steps = max(self._steps, heapq.heappop(self._ends))
        if not self._ends:
            self.idle_since_s = now_s

    def _advance(self, now_s: float) -> None:
        passed_s = now_s - self._last_s
        self._last_s = now_s
        if self._ends:
            self.request_s += passed_s * len(self._ends)
            self._steps += passed_s / self._model.step_s[len(self._ends)]
