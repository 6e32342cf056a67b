"""Signals that end a command while an event loop runs, and errors of the system."""

import asyncio
import errno
import gc
import logging
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from paceline.cli import main
from paceline.errors import SpecError


@pytest.fixture(autouse=True)
def as_in_a_command() -> Iterator[None]:
    """The handlers of a command, and those of the test runner after it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    level = logging.getLogger("asyncio").level
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, main._terminate)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.getLogger("asyncio").setLevel(level)


async def _asks() -> None:
    """As questions are asked: many tasks in a group, and one is at work when the signal comes."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_interrupted_at_work())
        group.create_task(asyncio.sleep(600))


async def _interrupted_at_work() -> None:
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)


def test_a_task_that_sigterm_ends_has_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    with suppress(main.Terminated):  # nothing may keep the traceback, and with it the task
        asyncio.run(_asks())
    gc.collect()
    assert caplog.records == []


def test_a_name_too_long_for_a_file_is_the_users_mistake() -> None:
    name = "a" * 5000
    with pytest.raises(OSError, match="too long") as caught:
        Path(name).stat()
    told = main._meaning(caught.value)
    assert isinstance(told, SpecError)
    assert "5,000 characters" in told.why


def test_an_error_of_the_system_that_nobody_foresaw_stays_what_it_is() -> None:
    assert main._meaning(PermissionError(errno.EPERM, "not permitted")) is None
