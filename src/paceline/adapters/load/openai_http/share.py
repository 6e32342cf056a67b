"""One process's share of a test, from its job to its files; runs in a worker or in the caller.

A job says what to do. Entering a `ShareRun` does all that may take time (prompts, connections,
warm-up) and `measure` runs the window, so that several processes can start on one clock.
"""

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from paceline.adapters.load.openai_http.bodies import Bodies
from paceline.adapters.load.openai_http.driver import Driver, Setting
from paceline.adapters.load.openai_http.endpoint import Endpoint
from paceline.adapters.load.openai_http.pace import Share, pace_for
from paceline.adapters.load.openai_http.recorder import Recorder, write_text
from paceline.adapters.load.openai_http.tally import Tally
from paceline.adapters.load.openai_http.texts import texts_for
from paceline.records.load import LoadProgress, Probe, Target
from paceline.records.load_plan import Level, LoadPlan

CONNECTIONS_AHEAD: Final = 4096
"""Most connections opened before the window; more are opened as they are needed."""
OPEN_LOOP_CONNECTIONS: Final = 64
REPORT_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process does, complete; sent to a worker once."""

    endpoint: Endpoint
    target: Target
    plan: LoadPlan
    probe: Probe
    share: Share
    folder: str


class ShareRun:
    """Executes a job. `cpu_s` reads the CPU time that is this client's, in seconds."""

    def __init__(self, job: Job, *, cpu_s: Callable[[], float]) -> None:
        self._job = job
        self._cpu_s = cpu_s
        self._texts = texts_for(job.plan, job.probe)
        self._driver = Driver(
            Setting(
                endpoint=job.endpoint,
                route=job.target.route,
                client=job.plan.settings,
                probe=job.probe,
                texts=self._texts,
            )
        )
        self._bodies = self._bodies_for(job.plan)
        self._warmup = Tally()
        self._collected = gc.isenabled()

    def __enter__(self) -> "ShareRun":
        """Open connections, send warm-up requests, make prompts ahead.

        Garbage collection stays off until the exit: nothing in a window makes cycles, and one
        pass over a large heap takes tens of milliseconds.
        """
        self._driver.open_connections(self._connections())
        count = self._job.share.part(self._job.plan.warmup_requests)
        if count:
            plan = _warmup_plan(self._job.plan)
            now_s = time.monotonic()
            self._driver.run(
                pace_for(plan, self._job.share),
                self._bodies_for(plan),
                None,
                name="warmup",
                zero_s=now_s,
                cutoff_s=lambda last_start_s: last_start_s + plan.settings.timeout_s,
                tick=lambda _: False,
            )
            self._warmup = self._driver.tally
        while self._bodies.make_one_ahead():
            pass
        self._collected = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        if self._collected:
            gc.enable()
        self._driver.close()

    def measure(
        self, zero_s: float, *, report: Callable[[LoadProgress], None], stop: Callable[[], bool]
    ) -> None:
        """Run the window from `zero_s` on CLOCK_MONOTONIC and write the files.

        Raises SetupError where they cannot be written.
        """
        watch = _Watch(self._driver, report=report, stop=stop)
        recorder = Recorder(Path(self._job.folder))
        cpu_before_s = self._cpu_s()
        try:
            self._driver.run(
                pace_for(self._job.plan, self._job.share),
                self._bodies,
                recorder,
                name="request",
                zero_s=zero_s,
                cutoff_s=_cutoff(self._job.plan),
                tick=watch.tick,
            )
        finally:
            window_s = time.monotonic() - zero_s
            cpu_s = self._cpu_s()
            recorder.close()
        report(self._driver.tally.report(window_s))
        self._write_tally(window_s, cpu_s, cpu_s - cpu_before_s, stopped=watch.stopped)

    def _connections(self) -> int:
        plan, share = self._job.plan, self._job.share
        if plan.open_loop:
            most = min(plan.max_in_flight or OPEN_LOOP_CONNECTIONS, len(plan.rows))
            return share.part(min(most, OPEN_LOOP_CONNECTIONS))
        level = max(level.in_flight for level in plan.levels)
        slots = int(level if plan.requests is None else min(level, plan.requests))
        return min(share.part(slots), CONNECTIONS_AHEAD)

    def _bodies_for(self, plan: LoadPlan) -> Bodies:
        job = self._job
        return Bodies(job.target, plan, job.probe, self._texts, job.share)

    def _write_tally(
        self, window_s: float, cpu_s: float, window_cpu_s: float, *, stopped: bool
    ) -> None:
        tally = self._driver.tally
        facts = {
            "window_s": window_s,
            "cpu_s": cpu_s,
            "window_cpu_s": window_cpu_s,
            "lags_s": tally.lags_s.values.tolist(),
            "skews_s": tally.skews_s.values.tolist(),
            "held": tally.held,
            "opened": tally.opened,
            "retried": tally.retried,
            "kernel_stamps": tally.kernel_stamps,
            "stopped": stopped,
            "warmup_requests": self._warmup.started,
            "warmup_failed": self._warmup.failed,
        }
        write_text(Path(self._job.folder) / "tally.json", json.dumps(facts))


class _Watch:
    """Reports from time to time and hears whether to stop."""

    def __init__(
        self, driver: Driver, *, report: Callable[[LoadProgress], None], stop: Callable[[], bool]
    ) -> None:
        self._driver, self._report, self._stop = driver, report, stop
        self._next_s = REPORT_S
        self.stopped = False

    def tick(self, now_s: float) -> bool:
        if now_s >= self._next_s:
            self._next_s = now_s + REPORT_S
            self._report(self._driver.tally.report(now_s))
            self.stopped = self._stop()
        return self.stopped


def _warmup_plan(plan: LoadPlan) -> LoadPlan:
    """The same requests with other text, in closed loop, before anything is counted."""
    in_flight = max((level.in_flight for level in plan.levels), default=1.0)
    return replace(
        plan,
        rows=tuple(replace(row, due_s=None) for row in plan.rows[: plan.warmup_requests]),
        levels=(Level(at_s=0.0, in_flight=min(in_flight, plan.warmup_requests)),),
        requests=plan.warmup_requests,
        duration_s=None,
        seed=plan.seed + 1_000_003,
    )


def _cutoff(plan: LoadPlan) -> Callable[[float], float]:
    drain_s = plan.settings.drain_s
    if not plan.open_loop:
        if plan.duration_s is None:
            return lambda last_start_s: last_start_s + max(drain_s, plan.settings.timeout_s)
        end_s = plan.duration_s
        return lambda _: end_s + drain_s
    last_due_s = max((row.due_s or 0.0 for row in plan.rows), default=0.0)
    horizon_s = last_due_s if plan.duration_s is None else plan.duration_s
    return lambda _: horizon_s + drain_s
