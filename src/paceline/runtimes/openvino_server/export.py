"""Runs optimum's exporter and dies with the process that asked for it.

`python run.py openvino_server.export ARGUMENT…`; the arguments are those of `optimum-cli`.
An export takes minutes and a core or two: a killed Paceline must not leave one running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

from optimum.commands.optimum_cli import main as optimum_main

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Tie this process to its parent, then export."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:  # the parent went away before the signal was set
        sys.exit(1)
    sys.argv[0] = "optimum-cli"
    optimum_main()


if __name__ == "__main__":
    main()
