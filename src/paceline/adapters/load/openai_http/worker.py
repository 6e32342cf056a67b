"""A client process: reads its job from stdin, reports on stdout, leaves its samples in a folder.

Protocol, one line each: it writes `ready`, reads `go ZERO_S`, writes `progress JSON` from time to
time and `done`, or `error JSON`. A line `stop` or the end of stdin ends the test early.
"""

import os
import pickle
import resource
import select
import sys
import time
from contextlib import suppress

import orjson

from paceline.adapters.load.openai_http.share import Job, ShareRun
from paceline.errors import PacelineError
from paceline.records.load import LoadProgress

STDIN, STDOUT = 0, 1


def main() -> int:
    """Run one job."""
    _allow_many_sockets()
    job = _read_job()
    if job is None:
        return 1
    try:
        return _run(job)
    except PacelineError as error:
        os.set_blocking(STDOUT, True)
        told = (type(error).__name__, error.code, error.what, error.why, error.fix)
        os.write(STDOUT, b"error " + orjson.dumps(told) + b"\n")
        return 0


def _run(job: Job) -> int:
    with ShareRun(job, cpu_s=time.process_time) as run:
        os.write(STDOUT, b"ready\n")
        word, _, zero_s = sys.stdin.buffer.readline().partition(b" ")
        if word != b"go":  # the parent has gone
            return 1
        # A parent that does not read must not stop the clock: a report without room is lost.
        os.set_blocking(STDOUT, False)
        run.measure(float(zero_s), report=_report, stop=_told_to_stop)
        os.set_blocking(STDOUT, True)
    with suppress(BrokenPipeError):  # the parent may have gone
        os.write(STDOUT, b"done\n")
    return 0


def _read_job() -> Job | None:
    """`None` when the parent was killed before it had told everything."""
    size = int(sys.stdin.buffer.readline() or 0)
    told = sys.stdin.buffer.read(size)
    if not told or len(told) < size:
        return None
    job: Job = pickle.loads(told)  # noqa: S301 - from our own parent process
    return job


def _report(progress: LoadProgress) -> None:
    with suppress(BlockingIOError, BrokenPipeError):
        os.write(STDOUT, b"progress " + orjson.dumps(progress) + b"\n")


def _told_to_stop() -> bool:
    # Nothing but "stop" is ever written after "go", and a closed pipe means the same.
    return bool(select.select([STDIN], [], [], 0)[0])


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
