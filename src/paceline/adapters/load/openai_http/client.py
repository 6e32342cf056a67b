"""The adapter's face: probes an endpoint, runs a plan in one or several processes, collects."""

import os
import time
from datetime import UTC, datetime
from typing import Final

from paceline.adapters.load.openai_http.collect import health_of, read_samples, read_tallies
from paceline.adapters.load.openai_http.endpoint import Endpoint, resolve
from paceline.adapters.load.openai_http.pace import Share
from paceline.adapters.load.openai_http.probe import probe_endpoint
from paceline.adapters.load.openai_http.share import Job, ShareRun
from paceline.adapters.load.openai_http.workers import Joint, run_in_workers
from paceline.errors import Code, SpecError
from paceline.ports.load import OnProgress, Stop
from paceline.records.load import LoadProgress, LoadResult, Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.scratch import scratch_folder

STREAMS_PER_PROCESS: Final = 1000
"""What one core holds at 50 tokens/s each (docs/log.md); more streams get more processes."""


class OpenAiHttp:
    """Load over the OpenAI HTTP API."""

    @property
    def name(self) -> str:
        return "openai_http"

    def probe(self, target: Target, plan: LoadPlan) -> Probe:
        _refuse_nothing(plan)
        return probe_endpoint(target, plan, _resolve(target, plan))

    def run(
        self,
        target: Target,
        plan: LoadPlan,
        *,
        probe: Probe | None = None,
        on_progress: OnProgress | None = None,
        stop: Stop | None = None,
    ) -> LoadResult:
        _refuse_nothing(plan)
        cpu_before_s = time.thread_time()
        endpoint = _resolve(target, plan)
        probe = probe or probe_endpoint(target, plan, endpoint)
        started_at = datetime.now(UTC)
        processes = _processes(plan)
        with scratch_folder("load") as folder:
            folders = [folder.path / str(index) for index in range(max(processes, 1))]
            jobs = [
                Job(
                    endpoint=endpoint,
                    target=target,
                    plan=plan,
                    probe=probe,
                    share=Share(index=index, of=len(folders)),
                    folder=str(path),
                )
                for index, path in enumerate(folders)
            ]
            for path in folders:
                path.mkdir()
            report, asked = on_progress or _ignore, stop or _never
            if processes == 0:
                joint = _run_here(jobs[0], report, asked)
            else:
                joint = run_in_workers(jobs, report, asked)
            samples, tallies = read_samples(folders), read_tallies(folders)
        own_cpu_s = time.thread_time() - cpu_before_s if processes else 0.0
        return LoadResult(
            samples=samples,
            health=health_of(tallies, samples, plan, parent_cpu_s=own_cpu_s, deaths=joint.deaths),
            probe=probe,
            warmup_requests=sum(tally["warmup_requests"] for tally in tallies),
            warmup_failed=sum(tally["warmup_failed"] for tally in tallies),
            stopped=any(tally["stopped"] for tally in tallies),
            window_start_monotonic_s=joint.zero_s,
            started_at_utc=started_at.isoformat(timespec="seconds"),
        )


def _resolve(target: Target, plan: LoadPlan) -> Endpoint:
    return resolve(target, connect_timeout_s=plan.settings.connect_timeout_s)


def _refuse_nothing(plan: LoadPlan) -> None:
    if plan.rows and plan.requests != 0:
        return
    raise SpecError(
        Code.BAD_OPTION,
        "the load has no requests",
        why=f"{len(plan.rows)} are planned and {plan.requests} are allowed, at least 1 is needed",
        fix="raise the number of requests, the duration or the rate",
    )


def _processes(plan: LoadPlan) -> int:
    """How many workers; 0 is the calling thread. Never more than cores, sessions or slots."""
    if plan.settings.processes is not None:
        wanted = plan.settings.processes
    else:
        streams = max((level.in_flight for level in plan.levels), default=0.0)
        wanted = max(1, -(-int(streams) // STREAMS_PER_PROCESS))
        wanted = min(wanted, len(os.sched_getaffinity(0)))
    limits = [plan.max_in_flight, plan.requests]
    limits += [int(max(level.in_flight for level in plan.levels))] if plan.levels else []
    return min([wanted, *(limit for limit in limits if limit is not None)])


def _run_here(job: Job, report: OnProgress, stop: Stop) -> Joint:
    with ShareRun(job, cpu_s=time.thread_time) as run:
        zero_s = time.monotonic()
        run.measure(zero_s, report=report, stop=stop)
    return Joint(zero_s=zero_s, deaths=())


def _ignore(_: LoadProgress) -> None:
    """Nobody watches."""


def _never() -> bool:
    return False
