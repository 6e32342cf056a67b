"""The golden server must outlive its clients, or it fails the tests that come after them."""

import socket

import pytest

from paceline.testing.golden_server.client_socket import ClientSocket

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize("unsent", [b"", b"a" * 4_000_000], ids=["nothing left", "much left"])
def test_a_client_that_went_away_is_no_error(unsent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        client = ClientSocket(accepted, lambda *_: None)
        client.send(unsent)
        peer.close()
        client.send(b"the first bytes after the close are answered with a reset")
        assert client.flush(), "nothing is left to send to a client that has gone"
        client.close()
