"""Behaviour is read from JSON and nothing else is accepted."""

import pytest

from paceline.runtimes.fake_server.behaviour import Behaviour, Fault, read_behaviour


def test_reads_fields_and_keeps_defaults() -> None:
    assert read_behaviour('{"token_ms": 3, "fault": "hang-at-start"}') == Behaviour(
        token_ms=3, fault=Fault.HANG_AT_START
    )


@pytest.mark.parametrize("text", ["", "{", '{"speed": 1}', '{"fault": "melt"}'])
def test_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_behaviour(text)
