"""Where requests go on the wire: address, TLS and the fixed part of every request."""

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from paceline.errors import Code, SetupError, SpecError
from paceline.records.load import Target

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A resolved target. `head` is the request up to the value of `X-Request-Id`."""

    family: int
    address: tuple[str | int, ...]
    host: str
    tls: bool
    head: bytes

    def request(self, request_id: str, body: bytes) -> bytes:
        """One complete HTTP/1.1 request."""
        return b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (
            self.head,
            request_id.encode(),
            len(body),
            body,
        )


def resolve(target: Target, *, connect_timeout_s: float) -> Endpoint:
    """Look the host up and connect once, so that later connections use an address that answers.

    Raises SpecError for a URL that is none, SetupError when nothing listens there.
    """
    url = url_of(target)
    if url.scheme not in PORTS or not url.hostname:
        raise SpecError(
            Code.BAD_OPTION,
            f"{target.base_url!r} is no endpoint",
            why="an endpoint is http://HOST:PORT or https://HOST[:PORT], optionally with a path",
            fix="give the URL under which the server answers, e.g. http://127.0.0.1:8000",
        )
    port = _port_of(target, url)
    try:
        with socket.create_connection((url.hostname, port), timeout=connect_timeout_s) as sock:
            family, address = sock.family, sock.getpeername()
    except OSError as error:
        raise SetupError(
            Code.ENDPOINT_UNREACHABLE,
            f"nothing answers at {target.base_url!r}",
            why=f"connecting to {url.hostname} port {port} failed: {error}",
            fix="start the server, or correct host and port in the URL",
        ) from error
    return Endpoint(
        family=int(family),
        address=tuple(address),
        host=url.hostname,
        tls=url.scheme == "https",
        head=_head(target, url),
    )


def tls_context() -> ssl.SSLContext:
    """Verified TLS; `SSL_CERT_FILE` in the environment names another authority."""
    return ssl.create_default_context()


def url_of(target: Target) -> SplitResult:
    """The target's parts; without a scheme it is http."""
    return urlsplit(target.base_url if "://" in target.base_url else f"http://{target.base_url}")


def base_path(url: SplitResult) -> str:
    """What comes before `/v1` on every route."""
    return url.path.rstrip("/").removesuffix("/v1")


def _port_of(target: Target, url: SplitResult) -> int:
    try:
        return url.port or PORTS[url.scheme]
    except ValueError as error:
        raise SpecError(
            Code.BAD_OPTION,
            f"{target.base_url!r} has no usable port",
            why=str(error),
            fix="give a port from 1 to 65535",
        ) from error


def _head(target: Target, url: SplitResult) -> bytes:
    lines = [
        f"POST {base_path(url)}{target.route.value} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Content-Type: application/json",
        f"Accept: {'text/event-stream' if target.route.streams else 'application/json'}",
        "User-Agent: paceline",
    ]
    if target.api_key:
        lines.append(f"Authorization: Bearer {target.api_key}")
    return ("\r\n".join(lines) + "\r\nX-Request-Id: ").encode()
