"""The load client over TLS: verified, and with the kernel's times as without it."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.errors import SetupError
from paceline.records.load import Target
from paceline.records.samples import Outcome
from paceline.testing.golden_server.launch import golden_server
from paceline.testing.load import QUICK, closed

OPENSSL = shutil.which("openssl")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.enable_socket,
    pytest.mark.skipif(OPENSSL is None, reason="makes its certificate with openssl"),
]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for localhost, key and certificate in one file."""
    key, crt, both = (tmp_path / name for name in ("key.pem", "crt.pem", "both.pem"))
    argv = [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-keyout", str(key), "-out", str(crt), "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(argv, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + crt.read_bytes())
    return both


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """The golden server behind a TLS front."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with golden_server(*QUICK) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        backend = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        front = threading.Thread(target=serve, args=(listener, context, backend), daemon=True)
        front.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)  # ends the wait for clients
        front.join(timeout=5)


def serve(listener: socket.socket, context: ssl.SSLContext, backend: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=relay, args=(client, context, backend), daemon=True).start()


def relay(client: socket.socket, context: ssl.SSLContext, backend: tuple[str, int]) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(client, server_side=True) as front,
        socket.create_connection(backend) as back,
    ):
        threading.Thread(target=pump, args=(back, front), daemon=True).start()
        pump(front, back)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


def test_a_certificate_that_is_not_trusted_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="CERTIFICATE_VERIFY_FAILED, self") as refused:
        OpenAiHttp().run(Target(base_url=url, model="m"), closed(1))
    assert "SSL_CERT_FILE" in refused.value.fix


def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate() -> None:
    with golden_server(*QUICK) as server, pytest.raises(SetupError, match="no TLS") as refused:
        OpenAiHttp().run(Target(base_url=f"https{server.url[4:]}", model="golden"), closed(1))
    assert "http://" in refused.value.fix


def test_requests_are_measured_through_tls(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    result = OpenAiHttp().run(Target(base_url=url, model="m"), closed(12, 3, output_tokens=20))
    assert [sample.outcome for sample in result.samples] == [Outcome.OK] * 12
    assert [len(sample.chunk_s) for sample in result.samples] == [20] * 12
    assert result.health.kernel_stamps
