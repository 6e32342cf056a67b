"""Starts one of the servers in this folder with any Python: `python run.py SERVER ARGUMENT…`.

An engine's environment does not have Paceline installed and must not see Paceline's dependencies.
So the two packages above the servers are stood in for by empty ones: a server can import its
neighbours here and what its environment has, and nothing else of ours.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Run the server named by the first argument as the main module."""
    folder = Path(__file__).resolve().parent
    sys.path.remove(str(folder))  # put there by Python; our names must not hide installed ones
    for name, path in (("paceline", []), ("paceline.runtimes", [str(folder)])):
        package = ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package
    server = sys.argv.pop(1)
    runpy.run_module(f"paceline.runtimes.{server}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
