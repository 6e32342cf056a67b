"""Stands between Paceline and one engine, so that no crash of ours leaves the engine running.

Run by path as a program of its own: `python -I -S shim.py CONTROL_FD CORES PROGRAM ARGUMENT…`, with
the engine's cores as in `0,1,2` or `any`. It imports only the standard library and starts in some
20 ms.

Three nets, because each has a hole:
- Paceline holds the other end of a pipe. When Paceline ends in any way, SIGKILL included, the pipe
  closes and the shim kills everything below it. (A parent-death signal alone would fire when the
  *thread* that forked ends, and would not reach grandchildren.) Should a forked copy of Paceline
  keep the pipe open, the changed parent id tells.
- The shim is a subreaper: descendants that daemonize come back to it and are found.
- The engine itself carries a parent-death signal, in case the shim is killed. What the engine
  started is then left for `sweep`, by the marker in its environment.

On the pipe, a byte asks for SIGTERM to the engine's process group; the end of file is SIGKILL for
all. The shim ends with the engine's own exit code or signal.
"""

import ctypes
import os
import select
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
PARENT_CHECK_MS: Final = 1000
ANY_CORE: Final = "any"
EXIT_NOT_STARTED: Final = 127  # as shells report a program that cannot be executed

# A stray Ctrl-C of the terminal must not end the watcher before the watched.
_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> NoReturn:
    """Start the program, watch the pipe and the program, leave nothing behind."""
    control = int(sys.argv[1])
    cores, command = read(sys.argv[2]), sys.argv[3:]
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (*_FORWARDED, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    engine = os.fork()
    if engine == 0:
        keep_to(cores)
        become(command, close=(control, woken, wake))
    make_group(engine)
    status = watch(engine, control, woken)
    kill_descendants()
    end_like(status)


def written(cores: tuple[int, ...]) -> str:
    """Cores as the command line has them."""
    return ",".join(map(str, cores)) or ANY_CORE


def read(text: str) -> set[int]:
    """The cores that `written` wrote; empty for any."""
    return set() if text == ANY_CORE else {int(core) for core in text.split(",")}


def prctl(option: int, value: int) -> None:
    """Linux process control of this process; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def keep_to(cores: set[int]) -> None:
    """In the child: only these cores from here on; any when there are none, or not these."""
    try:
        os.sched_setaffinity(0, cores or os.sched_getaffinity(0))
    except OSError as error:  # a core went offline since they were counted
        os.write(2, f"cannot keep to cores {sorted(cores)}: {error.strerror}\n".encode())


def become(command: list[str], *, close: tuple[int, ...]) -> NoReturn:
    """In the child: a process group of its own, death with the parent, then the program."""
    parent = os.getppid()
    signal.set_wakeup_fd(-1)
    for number in (*_FORWARDED, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.setpgid(0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the shim died before the signal was set
        os._exit(EXIT_NOT_STARTED)
    for descriptor in close:
        os.close(descriptor)
    try:
        os.execvp(command[0], command)  # noqa: S606 - this is what the shim is for
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
        os._exit(EXIT_NOT_STARTED)


def make_group(engine: int) -> None:
    """The same as the child does for itself, so that no signal comes too early for it."""
    try:
        os.setpgid(engine, engine)
    except (PermissionError, ProcessLookupError):  # it has done so, or is gone
        return


def watch(engine: int, control: int, woken: int) -> int | None:
    """Wait for the engine's end; its wait status, `None` when Paceline went away first."""
    parent = os.getppid()
    poller = select.poll()
    poller.register(control, select.POLLIN | select.POLLHUP)
    poller.register(woken, select.POLLIN)
    while True:
        status = reap(engine)
        if status is not None:
            return status
        if os.getppid() != parent:
            return None
        for descriptor, _ in poller.poll(PARENT_CHECK_MS):
            data = os.read(descriptor, 4096)
            if descriptor == control and not data:
                return None
            if descriptor == control or any(number in _FORWARDED for number in data):
                signal_group(engine, signal.SIGTERM)


def reap(engine: int) -> int | None:
    """Collect every ended child; the engine's wait status if it was among them."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if child == 0:
            return None
        if child == engine:
            return status


def signal_group(engine: int, number: int) -> None:
    """Signal the engine's whole process group."""
    try:
        os.killpg(engine, number)
    except ProcessLookupError:
        return


def kill_descendants() -> None:
    """Kill and collect whatever is left below this process."""
    while True:
        for child in descendants(os.getpid()):
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def descendants(root: int) -> list[int]:
    """Ids of all processes below `root`, from one reading of /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = parent_of(entry)
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    following = [root]
    while following:
        below = children.get(following.pop(), [])
        found += below
        following += below
    return found


def parent_of(entry: Path) -> int | None:
    """Parent id of the process with this folder in /proc, `None` when it is gone."""
    try:
        line = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(line.rpartition(")")[2].split()[1])  # the name in parentheses may hold anything


def end_like(status: int | None) -> NoReturn:
    """End as the engine ended, so that the parent reads its exit code or signal."""
    if status is None:
        os._exit(0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else EXIT_NOT_STARTED)


if __name__ == "__main__":
    main()
