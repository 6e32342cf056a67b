"""Command line of the golden server: one option per setting."""

import argparse
import gc
from dataclasses import fields

from paceline.testing.golden_server.server import run
from paceline.testing.golden_server.settings import Fault, GoldenSettings, WhenFull

TYPES = {
    "str": str,
    "str | None": str,
    "int": int,
    "int | None": int,
    "float": float,
    "Fault": Fault,
    "WhenFull": WhenFull,
}


def main() -> None:
    """Parse options and serve."""
    parser = argparse.ArgumentParser(prog="golden_server", description=__doc__)
    for field in fields(GoldenSettings):
        name = "--" + field.name.replace("_", "-")
        kind = getattr(field.type, "__name__", str(field.type))
        if kind == "bool":
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=TYPES[kind], default=field.default)
    settings = GoldenSettings(**vars(parser.parse_args()))
    gc.disable()  # a pass over the heap would show up in the times this server vouches for
    run(settings)


if __name__ == "__main__":
    main()
