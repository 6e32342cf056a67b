"""The process that runs a user's scorer: a script of its own, standard library only.

Reads one task as JSON from stdin, limits itself, calls `function(reply, item)` and prints
`{"score": …}`. What the function prints goes to stderr.
"""

import contextlib
import json
import math
import resource
import runpy
import sys
from typing import Any

REFUSED_EVENTS = (
    "os.chflags", "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.link",
    "os.mkdir", "os.posix_spawn", "os.remove", "os.removexattr", "os.rename", "os.rmdir",
    "os.setxattr", "os.symlink", "os.system", "os.truncate", "os.utime", "shutil.", "socket.",
    "sqlite3.", "subprocess.",
)  # fmt: skip
WRITING_FLAGS = 0o3 | 0o100 | 0o1000 | 0o2000  # O_WRONLY|O_RDWR, O_CREAT, O_TRUNC, O_APPEND


def refuse_to_act(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a scorer looks at text and does nothing else."""
    if event.startswith(REFUSED_EVENTS):
        raise PermissionError(f"a scorer may not use {event}")
    if event == "open" and _writes(arguments):
        raise PermissionError(f"a scorer may not write {arguments[0]!r}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return True
    return isinstance(flags, int) and bool(flags & WRITING_FLAGS)


def limit(memory_mib: int, cpu_s: float) -> None:
    """Hard limits of this process: address space, processor time, no file may grow."""
    seconds = math.ceil(cpu_s)
    for which, value in (
        (resource.RLIMIT_AS, memory_mib * 2**20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (value, value))


def main() -> None:
    """One task, one score."""
    task = json.load(sys.stdin)
    limit(task["memory_mib"], task["cpu_s"])
    sys.addaudithook(refuse_to_act)
    with contextlib.redirect_stdout(sys.stderr):
        functions = runpy.run_path(task["path"])
        score = float(functions[task["function"]](task["reply"], task["item"]))
    sys.stdout.write(json.dumps({"score": score}))


if __name__ == "__main__":
    main()
