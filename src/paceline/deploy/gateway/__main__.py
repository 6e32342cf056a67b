"""Command line of the gateway process, which a supervisor starts and restarts.

    python -m paceline.deploy.gateway --host 127.0.0.1 --port 8000 \\
        --control DIR/gateway.sock --state DIR [--tls-cert FILE --tls-key FILE] […]

- Every field of `settings.GatewaySettings` is an option, `--header-timeout-s 5` for example.
- It prints `listening on PORT` on stdout once it takes connections (`--port 0` picks a free one).
- `--control` is a unix socket that it listens on (mode 0600): `deploy.gateway.control` is the
  client, `deploy.gateway.wire` has the messages. Any number of supervisors may connect in turn;
  each gets pulses from then on, and the last table that anyone sent is the one in force.
- `--state` (made if missing) holds `table.json`, the last table, by which a restarted gateway
  serves at once; `usage-*.jsonl`, the usage spool (`deploy.gateway.spool_reader`); and
  `gateway.lock`, so that two gateways never share a folder.
- The modules that serve are compiled where that was done (`deploy.compiled`); the metric
  `paceline_gateway_compiled` says so.
- SIGTERM and SIGINT: no new connections, requests under way may end (30 s at most), exit 0.
  SIGKILL at any time loses no line of the spool.
- Exit 3 with a message on stderr: the port, the control socket or the state folder is taken or
  unusable. Otherwise only events that an operator must know of go to stderr, never a key.
"""

import argparse
import sys
from dataclasses import MISSING, fields
from pathlib import Path

from paceline.deploy.compiled import use_compiled

COMPILED = use_compiled()  # before anything of the gateway is imported

from paceline.deploy.gateway.server import run  # noqa: E402
from paceline.deploy.gateway.settings import GatewaySettings  # noqa: E402
from paceline.errors import PacelineError  # noqa: E402


def main() -> int:
    """Parse options and serve; the exit code."""
    try:
        run(GatewaySettings(**vars(_options())), compiled=COMPILED)
    except PacelineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - nobody else is here to say it
        return error.exit_code
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="paceline.deploy.gateway", description=__doc__)
    types = {int: int, float: float, str: str}
    for field in fields(GatewaySettings):
        name = "--" + field.name.replace("_", "-")
        if field.default is MISSING:
            parser.add_argument(name, type=_path, required=True)
        elif field.default is False:
            parser.add_argument(name, action="store_true")
        else:
            kind = types.get(type(field.default), _path)
            parser.add_argument(name, type=kind, default=field.default)
    return parser.parse_args()


def _path(text: str) -> Path:
    return Path(text).absolute()


if __name__ == "__main__":
    sys.exit(main())
