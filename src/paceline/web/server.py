"""Runs the management API in a thread of its own beside whatever else the process does."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from paceline.errors import Code, SetupError

STARTS_WITHIN_S: Final = 60.0
STEP_S: Final = 0.02


@contextmanager
def serving(
    api: FastAPI, *, host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None
) -> Iterator[int]:
    """Serve until the exit; yields the port, which is chosen when 0 is given.

    Raises SetupError when the port cannot be had, or the certificate is of no use.
    """
    server = uvicorn.Server(_config(api, host, port, tls_cert, tls_key))
    thread = threading.Thread(target=_run, args=(server,), name="management-api")
    thread.start()
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while not server.started and thread.is_alive() and time.monotonic() < deadline_s:
        time.sleep(STEP_S)
    try:
        if not server.started:
            raise SetupError(
                Code.PORT_IN_USE,
                f"the management API cannot listen on {host}:{port}",
                why="another program may have the port",
                fix="choose another with --admin-port, or 0 for any that is free",
            )
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def _config(
    api: FastAPI, host: str, port: int, tls_cert: Path | None, tls_key: Path | None
) -> uvicorn.Config:
    config = uvicorn.Config(
        api,
        host=host,
        port=port,
        log_level="error",
        access_log=False,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            Code.BAD_OPTION,
            f"the certificate {tls_cert} cannot be used",
            why=str(error),
            fix="give `--tls-cert` a PEM chain and `--tls-key` its key",
        ) from error
    return config


def _run(server: uvicorn.Server) -> None:
    try:
        server.run()
    except SystemExit:
        """uvicorn ends so when it cannot listen; `serving` sees that it never started."""
