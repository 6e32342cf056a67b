"""Where the gateway's socket lies, and what it died of."""

import os
import tempfile
from pathlib import Path

import pytest

from paceline.app.places import Places
from paceline.app.serving.gateway_process import (
    LONGEST_SOCKET_PATH,
    GatewayOptions,
    GatewayProcess,
    _why,
    socket_path,
)
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import SetupError


def test_the_socket_lies_in_the_state_folder() -> None:
    assert socket_path(Path("/data/gateway")) == Path("/data/gateway/gateway.sock")


def test_a_path_too_long_for_a_socket_gets_one_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path("/tmp/pl-t")  # noqa: S108 - only its length matters
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"paceline-{os.getuid()}"
    first = socket_path(short / ("x" * LONGEST_SOCKET_PATH))
    other = socket_path(short / ("y" * LONGEST_SOCKET_PATH))
    assert first.parent == other.parent == folder
    assert first != other
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    with pytest.raises(SetupError, match="shorter name"):
        socket_path(short / ("x" * LONGEST_SOCKET_PATH))


def test_the_reason_is_taken_from_an_error_of_ours() -> None:
    ours = "cannot listen [port-in-use]\n  why: address already in use\n  fix: another port\n"
    assert _why(ours) == "address already in use"
    assert _why("Traceback\nValueError: x\n") == "ValueError: x"
    assert _why("") == ""


def test_a_certificate_reaches_the_gateway(tmp_path: Path) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    plain = GatewayOptions(host="127.0.0.1", port=0)
    assert plain.scheme == "http"
    assert "--tls-cert" not in GatewayProcess(shop, plain).command()
    options = GatewayOptions(host="127.0.0.1", port=0, tls_cert=Path("/c.pem"), tls_key=Path("/k"))
    assert options.scheme == "https"
    command = GatewayProcess(shop, options).command()
    assert command[-4:] == ("--tls-cert", "/c.pem", "--tls-key", "/k")
