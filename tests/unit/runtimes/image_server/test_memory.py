"""How a shortage of memory is told, and known."""

import re

import pytest

from paceline.runtimes.image_server.memory import is_shortage, of_card, of_machine


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate "
                     "memory: you tried to allocate 4294967296 bytes. Error code 12"),
        RuntimeError("could not create a primitive"),
        RuntimeError("std::bad_alloc"),
    ],
)  # fmt: skip
def test_a_shortage_is_known_by_its_words(error: Exception) -> None:
    assert is_shortage(error)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes"), ValueError("bad_alloc")])
def test_nothing_else_is_taken_for_one(error: Exception) -> None:
    assert not is_shortage(error)


def test_both_sides_are_told_in_gib() -> None:
    assert of_card(2**28, 22 * 2**30) == "0.25 GiB free of 22.00 GiB"
    assert re.match(
        r"0\.\d\d GiB in use here, \d+\.\d\d GiB available in the machine", of_machine()
    )
