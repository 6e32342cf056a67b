"""The environment of engines that need none of their own."""

import sys
from pathlib import Path

from paceline.records.launch import Environment


def own_environment() -> Environment:
    """What an engine without requirements runs in: Paceline's own Python."""
    return Environment(
        name="paceline",
        python=sys.executable,
        bin_dir=str(Path(sys.executable).parent),
        lock=(),
        lock_sha256="",
    )
