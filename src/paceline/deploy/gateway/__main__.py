"""Command line of the gateway process, which a supervisor starts and restarts.

    python -m paceline.deploy.gateway --host 127.0.0.1 --port 8000 \\
        --control DIR/gateway.sock --state DIR [--tls-cert FILE --tls-key FILE]
        [--max-connections N] [--max-body-mib N]

- It prints `listening on PORT` on stdout once it takes connections (`--port 0` picks a free one).
- `--control` is a unix socket that it listens on (mode 0600): `deploy.gateway.control` is the
  client, `deploy.gateway.wire` has the messages. Any number of supervisors may connect in turn;
  each gets pulses from then on, and the last table that anyone sent is the one in force.
- `--state` (made if missing) holds `table.json`, the last table, by which a restarted gateway
  serves at once; `usage-*.jsonl`, the usage spool (`deploy.gateway.spool_reader`); and
  `gateway.lock`, so that two gateways never share a folder.
- SIGTERM and SIGINT: no new connections, requests under way may end (30 s at most), exit 0.
  SIGKILL at any time loses no line of the spool.
- Exit 3 with a message on stderr: the port, the control socket or the state folder is taken or
  unusable. Otherwise only events that an operator must know of go to stderr, never a key.
"""

import argparse
import sys
from pathlib import Path

from paceline.deploy.gateway.server import run
from paceline.deploy.gateway.settings import MIB, GatewaySettings
from paceline.errors import PacelineError


def main() -> int:
    """Parse options and serve; the exit code."""
    options = _options()
    settings = GatewaySettings(
        host=options.host,
        port=options.port,
        control=options.control.absolute(),
        state=options.state.absolute(),
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        max_connections=options.max_connections,
        max_body_bytes=options.max_body_mib * MIB,
    )
    try:
        run(settings)
    except PacelineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - nobody else is here to say it
        return error.exit_code
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="paceline.deploy.gateway", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--max-connections", type=int, default=10_000)
    parser.add_argument("--max-body-mib", type=int, default=16)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
