"""`paceline serve`: keep what is deployed."""

from typing import Annotated

import typer

from paceline.app.serve import serve
from paceline.app.serving.access import is_loopback
from paceline.app.serving.supervisor import ServeOptions
from paceline.app.wiring import Workshop


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback needs keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8080,
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
    required = not is_loopback(host) if require_keys is None else require_keys
    serve(ServeOptions(host=host, port=port, keys_required=required), Workshop())
