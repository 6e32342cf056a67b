"""Client processes: started, set off at one moment, listened to, stopped."""

import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Final

import orjson

from paceline.adapters.load.openai_http.share import Job
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.load import OnProgress, Stop
from paceline.records.load import LoadProgress

LEAD_S: Final = 0.02
"""Between the last process being ready and the start of the window, so that all hear of it."""
LISTEN_S: Final = 0.1


@dataclass(slots=True, eq=False)
class Worker:
    """A running client process and what it said last."""

    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    reports: IO[bytes]
    unread: bytes = b""
    ready: bool = False
    done: bool = False
    died: int | None = None
    """Exit code of a process that ended before it was done."""
    progress: list[LoadProgress] = field(default_factory=list)

    def listen(self) -> bool:
        """Read what it wrote; `False` at the end of its output."""
        data = os.read(self.reports.fileno(), 65536)
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            self.ready |= word == b"ready"
            self.done |= word == b"done"
            if word == b"progress":
                self.progress.append(LoadProgress(**orjson.loads(rest)))
            if word == b"error":
                _raise(*orjson.loads(rest))
        return bool(data)

    def tell(self, line: bytes) -> None:
        """Write one line; a worker that has gone already needs none."""
        with suppress(BrokenPipeError):
            self.orders.write(line)
            self.orders.flush()

    def end(self) -> None:
        """Close its orders, which ends it; kill it if that takes longer than two seconds."""
        with suppress(BrokenPipeError):
            self.orders.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reports.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """A window that several processes shared: its start on CLOCK_MONOTONIC, and who died in it.

    `deaths` has the exit code of each process that did not reach the end.
    """

    zero_s: float
    deaths: tuple[int, ...]


def run_in_workers(jobs: Sequence[Job], on_progress: OnProgress, stop: Stop) -> Joint:
    """Run one process per job. When one dies in the window, the others stop and keep theirs.

    Raises ChildProcessError when one dies before the window.
    """
    with _started(jobs) as workers, selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.reports, selectors.EVENT_READ, worker)
        while not all(worker.ready for worker in workers):
            _listen(selector)
            for worker in workers:
                if worker.died is not None:
                    raise ChildProcessError(f"a load process ended with exit code {worker.died}")
        zero_s = time.monotonic() + LEAD_S
        for worker in workers:
            worker.tell(b"go %r\n" % zero_s)
        told = False
        while not all(worker.done or worker.died is not None for worker in workers):
            _listen(selector)
            for progress in _merged(workers):
                on_progress(progress)
            lost = any(worker.died is not None for worker in workers)
            if not told and (lost or stop()):
                told = True
                for worker in workers:
                    worker.tell(b"stop\n")
        deaths = tuple(worker.died for worker in workers if worker.died is not None)
        return Joint(zero_s=zero_s, deaths=deaths)


@contextmanager
def _started(jobs: Sequence[Job]) -> Iterator[list[Worker]]:
    """The processes of some jobs; none of them is left on exit, however it comes."""
    workers: list[Worker] = []
    try:
        for job in jobs:
            argv = [sys.executable, "-m", f"{__package__}.worker"]
            process = subprocess.Popen(  # noqa: S603 - our own module
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both pipes were asked for")
            workers.append(Worker(process, process.stdin, process.stdout))
            data = pickle.dumps(job)
            workers[-1].tell(b"%d\n%s" % (len(data), data))
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _raise(family: str, code: str, what: str, why: str, fix: str) -> None:
    """An error of a worker, as if it had happened here."""
    kind = SpecError if family == SpecError.__name__ else SetupError
    raise kind(Code(code), what, why=why, fix=fix)


def _listen(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(LISTEN_S):
        worker: Worker = key.data
        if not worker.listen():
            selector.unregister(key.fileobj)
            if not worker.done:
                worker.died = worker.process.wait()


def _merged(workers: Sequence[Worker]) -> Iterator[LoadProgress]:
    """One report per round of reports, added up over the processes."""
    while all(worker.progress for worker in workers):
        parts = [worker.progress.pop(0) for worker in workers]
        failures: dict[str, int] = {}
        for part in parts:
            for kind, count in part.failures.items():
                failures[kind] = failures.get(kind, 0) + count
        yield LoadProgress(
            elapsed_s=max(part.elapsed_s for part in parts),
            in_flight=sum(part.in_flight for part in parts),
            started=sum(part.started for part in parts),
            ok=sum(part.ok for part in parts),
            failed=sum(part.failed for part in parts),
            output_chunks=sum(part.output_chunks for part in parts),
            recent_ttft_ms=tuple(time for part in parts for time in part.recent_ttft_ms),
            recent_tpot_ms=tuple(time for part in parts for time in part.recent_tpot_ms),
            recent_e2e_ms=tuple(time for part in parts for time in part.recent_e2e_ms),
            failures=failures,
        )
