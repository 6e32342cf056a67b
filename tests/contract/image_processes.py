"""The processes of an image server under test, as the machine sees them."""

from contextlib import suppress

import psutil


def kill(port: int) -> None:
    """The server on this port, with the compilers that it started."""
    family = servers(str(port))
    for process in [*family, *(one for parent in family for one in parent.children(True))]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def server_process() -> psutil.Process:
    """The server itself, which is larger than those that watch over it."""
    return max(servers(), key=lambda child: child.memory_info().rss)


def servers(*words: str) -> list[psutil.Process]:
    """Servers that we started, with these words in their command lines."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # compilers end at any moment
            if {"image_server", *words} <= set(child.cmdline()):
                found.append(child)
    return found


def resident_mib() -> float:
    return server_process().memory_info().rss / 2**20
