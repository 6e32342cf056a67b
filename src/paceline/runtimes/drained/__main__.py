"""`python run.py drained --port N --grace-s S --busy NAME… -- PROGRAM ARGUMENT…`

For servers that drop their open answers at SIGTERM (llama-server). Starts the program, hands its
output and its end on, and keeps the first SIGTERM back until the metrics called NAME on
`http://127.0.0.1:N/metrics` are all zero, or the grace is over. A second SIGTERM is not kept back.
"""

import argparse
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from paceline.runtimes.drained.busy import in_flight

PR_SET_PDEATHSIG: Final = 1
LOOK_EVERY_S: Final = 0.05
QUIET_LOOKS: Final = 2
"""Zero this often in a row: the last bytes of an answer leave after the slot is free."""
ANSWER_TIMEOUT_S: Final = 2.0
NOT_STARTED: Final = 127


def main() -> None:
    """Run the program to its end and end like it."""
    options, command = arguments(sys.argv[1:])
    # Without groups of its own it would get the signal that is to be kept back.
    try:
        server = subprocess.Popen(command, process_group=0, preexec_fn=die_with_parent)  # noqa: S603, PLW1509 - given by our adapter; no thread runs yet
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(NOT_STARTED)
    asked = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if asked.is_set():
            server.terminate()
        asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    threading.Thread(
        target=end_when_quiet, args=(server, asked, options), daemon=True, name="drain"
    ).start()
    end_like(server.wait())


def arguments(given: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our options, and the program's command line after `--`."""
    parser = argparse.ArgumentParser(prog="drained")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grace-s", type=float, required=True)
    parser.add_argument("--busy", action="append", required=True, metavar="METRIC")
    cut = list(given).index("--") if "--" in given else len(given)
    command = list(given[cut + 1 :])
    if not command:
        parser.error("no program after --")
    return parser.parse_args(list(given[:cut])), command


def end_when_quiet(
    server: subprocess.Popen[bytes], asked: threading.Event, options: argparse.Namespace
) -> None:
    """Wait for the signal, then for the last answer, then pass the signal on."""
    asked.wait()
    deadline_s = time.monotonic() + options.grace_s
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline_s:
        busy = is_busy(options.port, options.busy)
        if busy is None:
            break
        quiet = 0 if busy else quiet + 1
        time.sleep(LOOK_EVERY_S)
    server.terminate()


def is_busy(port: int, names: Sequence[str]) -> bool | None:
    """Whether something is in flight; `None` when nobody serves metrics, so nobody answers.

    A server that listens and does not answer in time is at work: it looks at its metrics between
    two steps, and a step over long prompts takes seconds.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        page = answer.read().decode(errors="replace")
    except TimeoutError:
        return True
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return in_flight(page, names) > 0 if answer.status == http.HTTPStatus.OK else None


def die_with_parent() -> None:
    """In the child: SIGKILL when this process is gone, however it went."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_like(code: int) -> None:
    """End with the program's exit code, or by the signal that ended it."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
