"""What every executor must do. Subclass `ExecutorContract` and give it an executor.

The engines here are small Python programs, so that nothing but the executor is under test.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest

from paceline.ports.executor import CountsUse, Executor, ForgetsPeak, Server
from paceline.records.launch import LaunchSpec

GIVE_UP_S: Final = 120.0
"""Far more than a busy machine needs; only a test that fails waits for it."""

SERVER: Final = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
print("engine", os.getpid(), flush=True)
{before}
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
# Twice forked and in a session of its own, as daemons do, to get away from whoever counts.
DAEMON: Final = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        import time; time.sleep(600)
    os._exit(0)
"""
LITTER: Final = """
import pathlib, tempfile
folder = tempfile.gettempdir()
pathlib.Path(folder, "left").touch()
print("litter", folder, flush=True)
"""
PACELINE: Final = """
import sys, time
from pathlib import Path
from paceline.records.launch import LaunchSpec
{executor}
def build(port):
    argv = (sys.executable, "-c", {program!r}, str(port))
    return LaunchSpec(argv=argv, env={{}}, port=port, ready_path="/", model_name="m",
                      grace_s=1.0, ready_timeout_s=120.0)
with executor.start(build, log_path=Path(sys.argv[1])) as server:
    assert server.wait_ready() is None
    print("ready", flush=True)
    time.sleep(600)
"""


def program(
    before: str = "", *, grace_s: float = 5.0, ready_timeout_s: float = GIVE_UP_S
) -> Callable[[int], LaunchSpec]:
    """Builds the launch of a server that does `before` before it listens."""

    def build(port: int) -> LaunchSpec:
        return LaunchSpec(
            argv=(sys.executable, "-c", SERVER.format(before=before), str(port)),
            env={"PYTHONUNBUFFERED": "1"},
            port=port,
            ready_path="/",
            model_name="m",
            grace_s=grace_s,
            ready_timeout_s=ready_timeout_s,
        )

    return build


def until(condition: Callable[[], bool]) -> bool:
    """Wait for something that happens in another process; false after `GIVE_UP_S`."""
    deadline_s = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.02)
    return False


def gone(process: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def logged_process(log: Path, name: str) -> int:
    """The id that a program printed after its name."""
    assert until(lambda: f"{name} " in log.read_text())
    words = log.read_text().split()
    return int(words[words.index(name) + 1])


def littered(log: Path) -> Path:
    """The temporary folder that a program printed and left something in."""
    assert until(lambda: "litter " in log.read_text())
    words = log.read_text().split()
    return Path(words[words.index("litter") + 1])


@pytest.mark.enable_socket
class ExecutorContract:
    """Starting, waiting, and above all ending."""

    @pytest.fixture
    def executor(self) -> Executor:
        """The executor under test."""
        raise NotImplementedError

    @pytest.fixture
    def executor_source(self) -> str:
        """Python text that sets the name `executor`, for a process of its own."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        return tmp_path / "logs" / "engine.log"

    @pytest.fixture
    def other_paceline(self, executor_source: str, log: Path) -> Iterator[subprocess.Popen[str]]:
        """A second Paceline with a ready engine that has a daemon."""
        text = PACELINE.format(
            executor=executor_source, program=SERVER.format(before=DAEMON + LITTER)
        )
        with subprocess.Popen(  # noqa: S603 - the text above
            [sys.executable, "-c", text, str(log)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
            process.kill()

    def test_offers_at_least_one_accelerator_with_memory(self, executor: Executor) -> None:
        places = executor.inventory()
        assert places
        assert all(place.memory_gib > 0 and place.available > 0 for place in places)
        assert len({place.name for place in places}) == len(places)

    def test_a_ready_server_answers_on_the_port_it_was_given(
        self, executor: Executor, log: Path
    ) -> None:
        with executor.start(program(), log_path=log) as server:
            assert server.wait_ready() is None
            assert httpx.get(server.base_url, timeout=GIVE_UP_S).status_code == 200
            assert server.base_url.endswith(f":{server.spec.port}")
            assert 0 < (server.ready_after_s() or 0) < GIVE_UP_S
            assert server.poll() is None
        assert "engine" in log.read_text()

    def test_nothing_is_left_after_the_context(self, executor: Executor, log: Path) -> None:
        with executor.start(program(DAEMON), log_path=log) as server:
            assert server.wait_ready() is None
            processes = [logged_process(log, name) for name in ("engine", "daemon")]
        assert all(gone(process) for process in processes)

    def test_nothing_is_left_when_the_context_fails(self, executor: Executor, log: Path) -> None:
        def measure(server: Server) -> None:
            assert server.wait_ready() is None
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            executor.start(program(DAEMON), log_path=log) as server,
        ):
            measure(server)
        assert all(gone(logged_process(log, name)) for name in ("engine", "daemon"))

    def test_a_server_that_ignores_sigterm_is_killed_after_its_grace(
        self, executor: Executor, log: Path
    ) -> None:
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        with executor.start(program(stubborn, grace_s=0.3), log_path=log) as server:
            assert server.wait_ready() is None
            leaving_s = time.monotonic()
        assert 0.3 <= time.monotonic() - leaving_s < GIVE_UP_S
        assert gone(logged_process(log, "engine"))

    def test_a_server_may_finish_within_its_grace(self, executor: Executor, log: Path) -> None:
        tidy = (
            "import signal, time\n"
            "def tidy(*_): time.sleep(0.2); print('tidied up', flush=True); os._exit(0)\n"
            "signal.signal(signal.SIGTERM, tidy)"
        )
        with executor.start(program(tidy, grace_s=GIVE_UP_S), log_path=log) as server:
            assert server.wait_ready() is None
        assert "tidied up" in log.read_text()

    def test_a_crash_before_ready_tells_exit_code_and_log(
        self, executor: Executor, log: Path
    ) -> None:
        with executor.start(program("sys.exit('no such weights')"), log_path=log) as server:
            end = server.wait_ready()
        assert end is not None
        assert (end.exit_code, end.ready) == (1, False)
        assert "no such weights" in end.log_tail

    def test_a_kill_is_told_apart_from_a_crash(self, executor: Executor, log: Path) -> None:
        with executor.start(program("os.kill(os.getpid(), 9)"), log_path=log) as server:
            end = server.wait_ready()
        assert end is not None
        assert end.exit_code == -signal.SIGKILL

    def test_a_program_that_does_not_exist_ends_at_once(
        self, executor: Executor, log: Path
    ) -> None:
        def build(port: int) -> LaunchSpec:
            return LaunchSpec(
                argv=("/nonexistent/engine",),
                env={},
                port=port,
                ready_path="/",
                model_name="m",
                grace_s=1.0,
                ready_timeout_s=GIVE_UP_S,
            )

        with executor.start(build, log_path=log) as server:
            end = server.wait_ready()
        assert end is not None
        assert end.exit_code == 127
        assert "/nonexistent/engine" in end.log_tail

    def test_a_hang_ends_with_the_deadline_and_without_an_exit_code(
        self, executor: Executor, log: Path
    ) -> None:
        hang = program("import time; time.sleep(600)", ready_timeout_s=0.5)
        with executor.start(hang, log_path=log) as server:
            end = server.wait_ready()
        assert end is not None
        assert (end.exit_code, end.ready) == (None, False)
        assert end.waited_s >= 0.5

    def test_a_wait_that_is_given_up_ends_before_its_deadline(
        self, executor: Executor, log: Path
    ) -> None:
        hang = program("import time; time.sleep(600)", ready_timeout_s=GIVE_UP_S)
        asked = iter((False, True))
        with executor.start(hang, log_path=log) as server:
            end = server.wait_ready(lambda: next(asked, True))
        assert end is not None
        assert (end.exit_code, end.ready) == (None, False)
        assert end.waited_s < GIVE_UP_S

    def test_an_end_after_ready_is_seen(self, executor: Executor, log: Path) -> None:
        with executor.start(program(), log_path=log) as server:
            assert server.wait_ready() is None
            os.kill(logged_process(log, "engine"), signal.SIGABRT)
            assert until(lambda: server.poll() is not None)
            end = server.poll()
        assert end is not None
        assert (end.exit_code, end.ready) == (-signal.SIGABRT, True)

    def test_peak_memory_covers_children_and_outlives_them(
        self, executor: Executor, log: Path, tmp_path: Path
    ) -> None:
        seen = tmp_path / "seen"
        before = (
            "if os.fork() == 0:\n    ballast = b'x' * 200_000_000\n"
            "    print('child', os.getpid(), flush=True)\n    import time\n"
            f"    while not os.path.exists({str(seen)!r}): time.sleep(0.02)\n    os._exit(0)"
        )
        with executor.start(program(before), log_path=log) as server:
            assert server.wait_ready() is None
            assert until(lambda: (server.peak_memory_gib() or 0.0) > 0.18)
            seen.touch()
            assert until(lambda: gone(logged_process(log, "child")))
            assert 0.18 < (server.peak_memory_gib() or 0.0) < 2.0

    def test_a_peak_that_is_forgotten_is_taken_anew(self, executor: Executor, log: Path) -> None:
        before = "ballast = b'x' * 200_000_000\ndel ballast"
        with executor.start(program(before), log_path=log) as server:
            assert server.wait_ready() is None
            if not isinstance(server, ForgetsPeak):
                pytest.skip("this executor cannot forget a peak")
            assert (server.peak_memory_gib() or 0.0) > 0.18
            server.forget_peak()
            assert 0.0 < (server.peak_memory_gib() or 0.0) < 0.15

    def test_what_the_whole_tree_takes_is_counted(self, executor: Executor, log: Path) -> None:
        work = "sum(range(3_000_000)); ballast = bytearray(b'x') * 60_000_000"
        child = f"import os\nif os.fork() == 0:\n    {work}\n    import time; time.sleep(600)"
        with executor.start(program(f"{child}\n{work}"), log_path=log) as server:
            assert server.wait_ready() is None
            if not isinstance(server, CountsUse):
                pytest.skip("this executor does not count")
            counted: CountsUse = server
            assert until(lambda: (use := counted.use()) is not None and use.memory_bytes > 120e6)
            use = counted.use()
            assert use is not None and 0.01 < use.cpu_s < GIVE_UP_S
        assert until(lambda: counted.use() is None), "nothing of it is left"

    def test_an_engine_keeps_to_the_cores_of_its_launch(
        self, executor: Executor, log: Path
    ) -> None:
        core = max(os.sched_getaffinity(0))
        build = program(before="print('cores', os.sched_getaffinity(0), flush=True)")
        with executor.start(lambda p: replace(build(p), cores=(core,)), log_path=log) as server:
            assert server.wait_ready() is None
        assert f"cores {{{core}}}" in log.read_text()
        assert core in os.sched_getaffinity(0), "Paceline itself is not kept to them"

    def test_an_engine_has_a_temporary_folder_of_its_own_that_ends_with_it(
        self, executor: Executor, log: Path
    ) -> None:
        with executor.start(program(LITTER), log_path=log) as server:
            assert server.wait_ready() is None
            folder = littered(log)
            with executor.start(program(LITTER), log_path=log.with_name("other")) as other:
                assert other.wait_ready() is None
                assert littered(log.with_name("other")) != folder
            assert (folder / "left").exists()
        assert not folder.exists()

    def test_a_taken_port_is_replaced_by_another(self, executor: Executor, log: Path) -> None:
        with ExitStack() as stack:
            built: list[int] = []

            def build(port: int) -> LaunchSpec:
                if not built:  # somebody takes the first port before the engine can
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                built.append(port)
                return program()(port)

            with executor.start(build, log_path=log) as server:
                assert server.wait_ready() is None
                assert server.spec.port == built[-1]
        assert len(built) == 2
        assert built[0] != built[1]

    def test_a_server_outlives_the_thread_that_started_it(
        self, executor: Executor, log: Path
    ) -> None:
        """A parent-death signal fires when the forking thread ends; that must not end engines."""
        entered: list[Server] = []
        context = executor.start(program(), log_path=log)
        thread = threading.Thread(target=lambda: entered.append(context.__enter__()))
        thread.start()
        thread.join()
        try:
            assert entered[0].wait_ready() is None
            time.sleep(0.3)
            assert entered[0].poll() is None
        finally:
            context.__exit__(None, None, None)

    def test_killing_paceline_leaves_nothing(
        self, other_paceline: subprocess.Popen[str], log: Path
    ) -> None:
        processes = [logged_process(log, name) for name in ("engine", "daemon")]
        assert not any(gone(process) for process in processes)
        other_paceline.kill()
        assert until(lambda: all(gone(process) for process in processes))

    def test_sweep_ends_what_lost_its_watcher_too(
        self, executor: Executor, other_paceline: subprocess.Popen[str], log: Path
    ) -> None:
        engine, daemon = (logged_process(log, name) for name in ("engine", "daemon"))
        watchers = [process.pid for process in psutil.Process(other_paceline.pid).children()]
        for process in (*watchers, other_paceline.pid):
            os.kill(process, signal.SIGKILL)
        other_paceline.wait()
        assert until(lambda: gone(engine))
        if not gone(daemon):
            assert daemon in executor.sweep()
        assert until(lambda: gone(daemon))
        executor.sweep()
        assert not littered(log).exists()

    def test_sweep_leaves_living_pacelines_alone(
        self, executor: Executor, other_paceline: subprocess.Popen[str], log: Path
    ) -> None:
        engine = logged_process(log, "engine")
        assert engine not in executor.sweep()
        assert not gone(engine)
        assert littered(log).exists()
        assert other_paceline.poll() is None
