"""`paceline serve`: keep what is deployed."""

from pathlib import Path
from typing import Annotated, Final

import typer

from paceline.app.metrics import MetricsPage
from paceline.app.serve import serve
from paceline.app.serving.access import is_loopback
from paceline.app.serving.overview import Noticeboard
from paceline.app.serving.supervisor import ServeOptions
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.web.api import build_api
from paceline.web.server import serving

LOOPBACK: Final = "127.0.0.1"
AdminPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Open the management API and metrics on this port."),
]
AdminHost = Annotated[
    str, typer.Option(help="Their address; other than loopback speaks TLS with --tls-cert.")
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, resolve_path=True, help="Speak TLS: a PEM certificate chain."
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, resolve_path=True, help="Its key, if in a file of its own."
    ),
]
BusyPoll = Annotated[
    bool,
    typer.Option(
        "--busy-poll", help="Under load never sleep: less latency, for a core of its own."
    ),
]


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback needs keys.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8080,
    admin_port: AdminPort = None,
    admin_host: AdminHost = LOOPBACK,
    traces: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Send a trace of every request to this collector (OTLP/HTTP)."
        ),
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    busy_poll: BusyPoll = False,
    require_keys: Annotated[
        bool | None,
        typer.Option(
            "--require-keys/--no-keys", help="Default: keys unless on loopback.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve every deployed endpoint until Ctrl-C: gateway, replicas, scaling.

    The OpenAI-compatible URL is http://HOST:PORT/v1; `model` is the name of an endpoint.
    """
    _check_tls(tls_cert, tls_key, busy_poll=busy_poll)
    _check_admin(admin_host, admin_port)
    required = not is_loopback(host) if require_keys is None else require_keys
    options = ServeOptions(
        host=host,
        port=port,
        keys_required=required,
        traces_url=traces,
        tls_cert=tls_cert,
        tls_key=tls_key,
        busy_poll=busy_poll,
    )
    shop, board = Workshop(), Noticeboard()
    if admin_port is None:
        serve(options, shop, board)
        return
    page = MetricsPage(shop, board)
    api = build_api(shop, metrics=page.text, known_keys=lambda: board.latest.keys)
    if is_loopback(admin_host):
        tls_cert = tls_key = None
    elif tls_cert is None:
        typer.echo("admin keys are sent in clear: --admin-host without --tls-cert", err=True)
    with serving(
        api, host=admin_host, port=admin_port, tls_cert=tls_cert, tls_key=tls_key
    ) as listening:
        scheme = "http" if tls_cert is None else "https"
        shown = f"[{admin_host}]" if ":" in admin_host else admin_host
        typer.echo(f"management API on {scheme}://{shown}:{listening}/docs", err=True)
        serve(options, shop, board)


def _check_admin(admin_host: str, admin_port: int | None) -> None:
    if admin_port is None and admin_host != LOOPBACK:
        raise SpecError(
            Code.CONTRADICTION,
            "an address for the management API, which is not opened",
            why=f"--admin-host {admin_host} is given, --admin-port is not",
            fix="add --admin-port 8081, or leave --admin-host out",
        )


def _check_tls(tls_cert: Path | None, tls_key: Path | None, *, busy_poll: bool) -> None:
    if tls_cert is not None and busy_poll:
        raise SpecError(
            Code.CONTRADICTION,
            "--busy-poll is for plain HTTP",
            why="--tls-cert is given: TLS goes through the event loop, which sleeps",
            fix="give one of them, or speak TLS in front of the gateway",
        )
    if tls_key is not None and tls_cert is None:
        raise SpecError(
            Code.CONTRADICTION,
            "a key of a certificate without the certificate",
            why="--tls-key is given, --tls-cert is not",
            fix="give both, or neither for plain HTTP",
        )
