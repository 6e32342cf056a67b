"""Limits and time-outs of the gateway process; those of one endpoint are in its table."""

from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """A client gets `header_timeout_s` for a header, and for a body `body_timeout_s` plus what its
    bytes take at `slowest_upload_bytes_per_s`. A client that takes nothing for `client_stall_s` is
    cut off. `sse_keep_alive_s` is how long a stream may be silent before a comment is sent. With
    `busy_poll` it does not sleep under load (`sockets.Sockets`).
    """

    control: Path
    state: Path
    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_connections: int = 10_000
    max_header_bytes: int = 32_768
    max_headers: int = 100
    max_body_bytes: int = 16 * MIB
    max_buffered_bytes: int = 512 * MIB
    max_answer_bytes: int = 256 * MIB
    max_pipelined: int = 16
    max_requests_per_connection: int = 100_000
    write_buffer_bytes: int = 65_536
    header_timeout_s: float = 10.0
    body_timeout_s: float = 20.0
    slowest_upload_bytes_per_s: int = 4_096
    keep_alive_s: float = 75.0
    client_stall_s: float = 60.0
    sse_keep_alive_s: float = 15.0
    upstream_keep_alive_s: float = 4.0
    """Below the 5 s after which uvicorn, which most engines use, closes an idle connection."""
    drain_s: float = 30.0
    busy_poll: bool = False
    pulse_s: float = 0.25

    @property
    def tls(self) -> bool:
        """Whether clients speak TLS with it."""
        return self.tls_cert is not None
