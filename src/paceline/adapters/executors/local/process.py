"""One engine process tree behind the shim: start, readiness, memory, end."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import psutil

from paceline.adapters.executors.local import orphans, shim
from paceline.adapters.executors.local.memory import MemoryWatch
from paceline.adapters.executors.local.ports import LOOPBACK, is_free
from paceline.adapters.executors.local.use import tree_use
from paceline.errors import CandidateError, Code
from paceline.records.launch import LaunchSpec, ProcessEnd
from paceline.records.telemetry import ProcessUse
from paceline.scratch import Scratch, scratch_folder

LOG_TAIL_BYTES: Final = 16 * 1024
_POLL_S: Final = 0.03
_ANSWER_TIMEOUT_S: Final = 1.0
_KILL_DEADLINE_S: Final = 10.0
_PORT_ATTEMPTS: Final = 2
# What engines may need of the user's environment. Everything else (proxies, tokens, PYTHONPATH) is
# kept from them, so that a launch is what its spec says.
_INHERITED: Final = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "XDG_CACHE_HOME"),
    *("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES"),
)


class LocalServer:
    """A `Server`: the engine, its shim, its log and its memory watch."""

    def __init__(
        self, build: Callable[[int], LaunchSpec], *, find_port: Callable[[], int], log_path: Path
    ) -> None:
        self._build = build
        self._find_port = find_port
        self._log_path = log_path
        self._ready_after_s: float | None = None
        self._stopped = True
        self._launch()

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self._spec.port}"

    @property
    def spec(self) -> LaunchSpec:
        return self._spec

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            end = self._wait_ready_once(stop or _never)
            if end is None or end.exit_code is None or attempt == _PORT_ATTEMPTS:
                return end
            if is_free(self._spec.port):
                return end
            # Somebody took the port between our probe and the engine's bind.
            self.stop()
            self._launch()
        raise AssertionError("the last attempt returns")

    def poll(self) -> ProcessEnd | None:
        exit_code = self._process.poll()
        return None if exit_code is None else self._end(exit_code)

    def ready_after_s(self) -> float | None:
        return self._ready_after_s

    def peak_memory_gib(self) -> float | None:
        return self._memory.peak_gib()

    def forget_peak(self) -> None:
        self._memory.forget()

    def use(self) -> ProcessUse | None:
        return tree_use(self._process.pid)

    def stop(self) -> None:
        """SIGTERM to the engine's group, its grace, then SIGKILL for everything below the shim."""
        if self._stopped:
            return
        self._stopped = True
        try:
            self._ask_to_end()
            self._await_end(self._spec.grace_s)
        finally:
            os.close(self._control)  # the shim now kills what is left
            self._await_end(_KILL_DEADLINE_S)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._memory.stop()
            self._opened.close()

    def _launch(self) -> None:
        self._spec = self._build(self._find_port())
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            scratch = opened.enter_context(scratch_folder("engine", for_sockets=True))
            log = opened.enter_context(self._log_path.open("ab"))
            self._log_start = log.tell()
            self._process = self._begin(scratch, log)
            self._opened = opened.pop_all()
        self._stopped = False
        self._started_s = time.monotonic()
        self._memory = MemoryWatch(self._process.pid)

    def _begin(self, scratch: Scratch, log: IO[bytes]) -> subprocess.Popen[bytes]:
        watched, self._control = os.pipe()
        try:
            return subprocess.Popen(  # noqa: S603 - the launch spec is ours
                [
                    *(sys.executable, "-I", "-S", shim.__file__, str(watched)),
                    *(shim.written(self._spec.cores), *self._spec.argv),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **_inherited(),
                    "TMPDIR": str(scratch.path),
                    **self._spec.env,
                    **orphans.marker(),
                },
                # Whatever is left running when we are killed goes on using its folder.
                pass_fds=(watched, scratch.lock),
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._control)
            raise CandidateError(
                Code.ENGINE_FAILED,
                "the engine's process cannot be started",
                why=str(error),
                fix="see the limits on processes and memory of this machine",
            ) from error
        finally:
            os.close(watched)

    def _wait_ready_once(self, stop: Callable[[], bool]) -> ProcessEnd | None:
        deadline_s = self._started_s + self._spec.ready_timeout_s
        while time.monotonic() < deadline_s and not stop():
            end = self.poll()
            if end is not None:
                return end
            if self._answers() and self._is_ours():
                self._ready_after_s = time.monotonic() - self._started_s
                return None
            time.sleep(_POLL_S)
        return self.poll() or self._end(None)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(
            LOOPBACK, self._spec.port, timeout=_ANSWER_TIMEOUT_S
        )
        try:
            connection.request("GET", self._spec.ready_path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _is_ours(self) -> bool:
        """Whether a process of our tree listens on the port, not a stranger who took it."""
        try:
            tree = psutil.Process(self._process.pid).children(recursive=True)
            return any(self._listens(process) for process in tree)
        except psutil.AccessDenied:
            return True  # a hardened kernel hides sockets; then the answer has to do
        except psutil.NoSuchProcess:
            return False

    def _listens(self, process: psutil.Process) -> bool:
        return any(
            connection.laddr.port == self._spec.port
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        )

    def _ask_to_end(self) -> None:
        try:
            os.write(self._control, b"t")
        except BrokenPipeError:  # the shim has ended
            return

    def _await_end(self, limit_s: float) -> None:
        try:
            self._process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return

    def _end(self, exit_code: int | None) -> ProcessEnd:
        return ProcessEnd(
            exit_code=exit_code,
            ready=self._ready_after_s is not None,
            waited_s=time.monotonic() - self._started_s,
            log_tail=self._log_tail(),
        )

    def _log_tail(self) -> str:
        size = self._log_path.stat().st_size
        with self._log_path.open("rb") as file:
            file.seek(max(self._log_start, size - LOG_TAIL_BYTES))
            return file.read().decode(errors="replace")


def _never() -> bool:
    return False


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
