"""A reader that goes away ends the command quietly; other faults of a file are still errors."""

import errno
import os
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import pytest

from paceline.cli.streams import READER_GONE, watched


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIOWrapper]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield reader, stream


def test_what_is_read_arrives(pipe: tuple[int, TextIOWrapper]) -> None:
    reader, stream = pipe
    print("winner – none", file=watched(stream), flush=True)
    assert os.read(reader, 100).decode() == "winner – none\n"
    os.close(reader)


@pytest.mark.parametrize(("errors", "seen"), [("strict", b"a ? b"), ("xmlcharrefreplace", None)])
def test_what_the_locale_cannot_write_is_replaced_and_ends_nothing(
    errors: str, seen: bytes | None
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="latin-1", errors=errors) as stream:
        print("a – b", file=watched(stream), end="", flush=True)
        assert os.read(reader, 100) == (seen or b"a &#8211; b")
    os.close(reader)


def test_without_a_reader_it_ends_once_and_without_a_word(
    pipe: tuple[int, TextIOWrapper], capfd: pytest.CaptureFixture[str]
) -> None:
    reader, stream = pipe
    os.close(reader)
    out = watched(stream)
    out.write("nobody sees this\n")
    with pytest.raises(SystemExit) as ended:
        out.flush()
    assert ended.value.code == READER_GONE == 141
    out.write("nor this")
    out.close()  # as Python does at exit, with what is left in the buffer
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_still_an_error() -> None:
    with Path("/dev/full").open("w") as stream:
        out = watched(stream)
        out.write("no room")
        with pytest.raises(OSError, match="No space left") as raised:
            out.flush()
        assert raised.value.errno == errno.ENOSPC
        out.close()


def test_a_file_that_the_caller_closed_takes_anything() -> None:
    with watched(None) as out:
        print("nobody sees this", file=out)
