"""A fleet that never ran: a policy over a trace, event by event, in seconds of one core.

Requests queue at the gateway first come, first served, each goes to the replica with the fewest in
flight, and none gets more than its measured concurrency. What waits longer than the hold limit is
refused (503). A replica is paid from its launch to its end. Not modelled: failures, prefix caches,
retries of refused requests, capacity that a cloud does not have.
"""

import itertools
import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from paceline.deploy.autoscale import decide, fewest, tick_s
from paceline.deploy.meter import TrafficMeter
from paceline.deploy.simulated_replica import ServiceModel, SimulatedReplica
from paceline.money import SECONDS_PER_HOUR
from paceline.records.load_plan import TraceRow
from paceline.records.replay import LoggedDecision, Replay, ReplaySettings, WaitTimes
from paceline.records.scaling import Fleet, Memory, Policy, Replica

P90: Final = 1.2815515655446004
"""The 90th percentile of the standard normal distribution."""


def replay(
    trace: Sequence[TraceRow], policy: Policy, replica: Replica, settings: ReplaySettings
) -> Replay:
    """What `policy` would have done with `trace`, sorted by time, on replicas like `replica`.

    The same arguments give the same result.
    """
    simulation = _Simulation(trace, policy, replica, settings)
    simulation.run()
    return simulation.result()


class _Simulation:
    """The state of one replay; times are seconds of the trace."""

    def __init__(
        self, trace: Sequence[TraceRow], policy: Policy, replica: Replica, settings: ReplaySettings
    ) -> None:
        self.trace, self.policy, self.replica, self.settings = trace, policy, replica, settings
        self.model = ServiceModel(replica)
        self.random = np.random.default_rng(settings.seed)
        self.meter = TrafficMeter(0.0)
        self.queue: deque[int] = deque()
        self.waits_s: list[float] = []
        self.refused = 0
        self.fleet = [
            SimulatedReplica(self.model, launched_s=0.0, ready_s=0.0)
            for _ in range(max(fewest(policy, replica), settings.start_replicas))
        ]
        self.gone: list[tuple[SimulatedReplica, float]] = []
        self.wanted = len(self.fleet)
        self.cold_starts = 0
        self.most_replicas = len(self.fleet)
        self.memory = Memory()
        self.log: list[LoggedDecision] = []
        self.end_s = 0.0

    def run(self) -> None:
        arrived, next_tick_s = 0, 0.0
        answered_s: float | None = None
        while True:
            arrival_s = self.trace[arrived].t_s if arrived < len(self.trace) else math.inf
            due = min(self.fleet, key=SimulatedReplica.next_s, default=None)
            due_s = due.next_s() if due else math.inf
            hold_s = self._hold_ends_s()
            now_s = min(arrival_s, due_s, hold_s, next_tick_s)
            if answered_s is None and arrival_s == math.inf and not self._busy():
                answered_s = self.end_s
            if answered_s is not None and now_s > answered_s + self.settings.after_s:
                self.end_s = answered_s + self.settings.after_s
                return
            self.end_s = now_s
            if due is not None and due_s == now_s:
                self._replica_due(due, now_s)
            elif arrival_s == now_s:
                self._arrive(arrived, now_s)
                arrived += 1
            elif hold_s == now_s:
                self._refuse(now_s)
            else:
                self._tick(now_s)
                next_tick_s += tick_s(self.policy)

    def _busy(self) -> bool:
        return bool(self.queue) or any(replica.in_flight for replica in self.fleet)

    def _hold_ends_s(self) -> float:
        return self.trace[self.queue[0]].t_s + self.settings.hold_s if self.queue else math.inf

    def _arrive(self, index: int, now_s: float) -> None:
        self.meter.arrived(now_s)
        self.queue.append(index)
        self._place(now_s)
        if self.queue and not self.wanted:
            self._tick(now_s)  # from zero is an event: nobody waits for the clock

    def _replica_due(self, replica: SimulatedReplica, now_s: float) -> None:
        if replica.starting:
            replica.starting = False
        else:
            replica.end_one(now_s)
            self.meter.ended(now_s)
            if replica.draining and not replica.in_flight:
                self._end(replica, now_s)
        self._place(now_s)

    def _place(self, now_s: float) -> None:
        while self.queue:
            ready = [replica for replica in self.fleet if replica.takes]
            if not ready:
                return
            row = self.trace[self.queue.popleft()]
            waited_s = now_s - row.t_s
            least = min(ready, key=lambda replica: replica.in_flight)
            least.give(now_s, row.input_tokens, row.output_tokens)
            self.meter.placed(now_s, waited_s)
            self.waits_s.append(waited_s)

    def _refuse(self, now_s: float) -> None:
        waited_s = now_s - self.trace[self.queue.popleft()].t_s
        self.meter.refused(now_s, waited_s)
        self.waits_s.append(waited_s)
        self.refused += 1

    def _tick(self, now_s: float) -> None:
        window = self.meter.window(now_s, [now_s - self.trace[i].t_s for i in self.queue])
        seen = self._seen(now_s)
        decision = decide(window, seen, self.policy, now_s)
        self.memory = decision.memory
        self.log.append(
            LoggedDecision(
                t_s=now_s,
                wanted=self.wanted,
                replicas=decision.replicas,
                because=decision.because,
                ready=seen.ready,
                starting=seen.starting,
                in_flight=window.in_flight,
                queued=window.queued,
            )
        )
        self._resize(decision.replicas, now_s)

    def _seen(self, now_s: float) -> Fleet:
        live = [replica for replica in self.fleet if not replica.draining]
        ready = [replica for replica in live if not replica.starting]
        return Fleet(
            replica=self.replica,
            wanted=self.wanted,
            ready=len(ready),
            starting=len(live) - len(ready),
            stopping=len(self.fleet) - len(live),
            idle_s=tuple(
                0.0 if replica.in_flight else now_s - replica.idle_since_s for replica in ready
            ),
            memory=self.memory,
        )

    def _resize(self, wanted: int, now_s: float) -> None:
        for _ in range(wanted - self.wanted):
            self._add(now_s)
        for _ in range(self.wanted - wanted):
            self._remove(now_s)
        self.wanted = wanted
        self.most_replicas = max(self.most_replicas, wanted)
        self._place(now_s)

    def _add(self, now_s: float) -> None:
        """One that is still ending is taken back before another is launched."""
        ending = next((replica for replica in self.fleet if replica.draining), None)
        if ending is not None:
            ending.draining = False
            return
        self.cold_starts += 1
        ready_s = now_s + self._cold_start_s()
        self.fleet.append(SimulatedReplica(self.model, launched_s=now_s, ready_s=ready_s))

    def _remove(self, now_s: float) -> None:
        """The latest that is starting, else the one with the least to finish, longest idle."""
        live = [replica for replica in self.fleet if not replica.draining]
        starting = [replica for replica in live if replica.starting]
        if starting:
            self._end(max(starting, key=lambda replica: replica.ready_s), now_s)
            return
        least = min(live, key=lambda replica: (replica.in_flight, replica.idle_since_s))
        least.draining = True
        if not least.in_flight:
            self._end(least, now_s)

    def _end(self, replica: SimulatedReplica, now_s: float) -> None:
        self.fleet.remove(replica)
        self.gone.append((replica, now_s))

    def _cold_start_s(self) -> float:
        median_s, p90_s = self.replica.cold_start_s, self.replica.cold_start_p90_s
        if not p90_s or median_s <= 0:
            return median_s
        return median_s * math.exp(self.random.standard_normal() * math.log(p90_s / median_s) / P90)

    def result(self) -> Replay:
        """Everything that was counted."""
        paid = [*self.gone, *((replica, self.end_s) for replica in self.fleet)]
        replica_s = sum(end_s - replica.launched_s for replica, end_s in paid)
        slot_s = replica_s * self.replica.concurrency
        return Replay(
            policy=self.policy,
            replica=self.replica,
            settings=self.settings,
            requests=len(self.trace),
            refused=self.refused,
            duration_s=self.end_s,
            replica_s=replica_s,
            usd=replica_s * self.replica.usd_per_hour / SECONDS_PER_HOUR,
            wait=_wait_times(self.waits_s),
            cold_starts=self.cold_starts,
            flips=_flips(self.log),
            most_replicas=self.most_replicas,
            utilization=sum(replica.request_s for replica, _ in paid) / slot_s if slot_s else 0.0,
            decisions=tuple(self.log),
        )


def _wait_times(waits_s: list[float]) -> WaitTimes:
    p50, p95, p99 = np.quantile(waits_s, (0.5, 0.95, 0.99)).tolist()
    return WaitTimes(
        mean=float(np.mean(waits_s)), p50=p50, p95=p95, p99=p99, max=float(np.max(waits_s))
    )


def _flips(log: Sequence[LoggedDecision]) -> int:
    """Changes of direction of the count."""
    ups = [line.replicas > line.wanted for line in log if line.replicas != line.wanted]
    return sum(before != after for before, after in itertools.pairwise(ups))
