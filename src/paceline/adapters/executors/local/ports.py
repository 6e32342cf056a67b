"""Free TCP ports of the loopback interface."""

import random
import socket
from typing import Final

from paceline.errors import CapacityError, Code

LOOPBACK: Final = "127.0.0.1"
# Below the range that Linux hands out to outgoing connections (32768 and up): those are taken and
# given back all the time, and one would be gone before a slow engine binds it.
FIRST_PORT: Final = 20_000
LAST_PORT: Final = 29_999
_ATTEMPTS: Final = 200


def find_free_port(chance: random.Random) -> int:
    """A port nobody listens on. Raises CapacityError after many taken ones."""
    for _ in range(_ATTEMPTS):
        port = chance.randint(FIRST_PORT, LAST_PORT)
        if is_free(port):
            return port
    raise CapacityError(
        Code.ADDRESS_IN_USE,
        "no free port for an engine",
        why=f"{_ATTEMPTS} ports tried between {FIRST_PORT} and {LAST_PORT}; all are taken",
        fix="end programs that listen there, or try again later",
    )


def is_free(port: int) -> bool:
    """Whether the port can be bound now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
