"""Ports are tried at random until one is free, and not for ever."""

import random

import pytest

from paceline.adapters.executors.local import ports
from paceline.errors import CapacityError


def test_takes_the_first_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def is_free(port: int) -> bool:
        tried.append(port)
        return len(tried) == 4

    monkeypatch.setattr(ports, "is_free", is_free)
    assert ports.find_free_port(random.Random(1)) == tried[-1]
    assert len(tried) == 4
    assert all(ports.FIRST_PORT <= port <= ports.LAST_PORT for port in tried)


def test_gives_up_with_both_ends_of_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)
    with pytest.raises(CapacityError, match="20000 and 29999"):
        ports.find_free_port(random.Random(1))
