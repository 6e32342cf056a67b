"""Replies kept in a file as they come, to go on with after a crash or to mark again for nothing.

The first line says what was asked of whom. A file that answers something else is refused: a stale
answer that is taken for a new one is worse than asking again. Failed requests are not kept.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from paceline import __version__
from paceline.errors import Code, SetupError, SpecError
from paceline.records.load import Target
from paceline.records.quality import Item, Reply, Suite

Key = Mapping[str, str | int]

FORMAT: Final = 1


def asked_key(target: Target, suite: Suite, *, seed: int) -> Key:
    """Everything that an answer depends on and that is known from here.

    What the endpoint runs is not: whoever changes it under the same URL starts a new file.
    """
    return {
        "format": FORMAT,
        "software": __version__,
        "base_url": target.base_url,
        "model": target.model,
        "route": target.route.value,
        "suite_sha256": suite.sha256,
        "seed": seed,
        "temperature": 0,
    }


class AnswerBook:
    """Replies by item; keeps nothing when it was opened without a file."""

    def __init__(self, known: Mapping[str, Reply], file: TextIO | None) -> None:
        self._known = known
        self._file = file

    def find(self, item: Item) -> Reply | None:
        """What was answered before."""
        return self._known.get(item.item_id)

    def keep(self, item: Item, reply: Reply) -> None:
        """Write one reply through to the file."""
        if self._file is None or reply.error is not None:
            return
        entry = {
            "id": item.item_id,
            "text": reply.text,
            "earlier": reply.earlier,
            "finish_reason": reply.finish_reason,
        }
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()


@contextmanager
def open_book(path: Path | None, key: Key) -> Iterator[AnswerBook]:
    """The book in a file, made when absent.

    Raises SpecError when the file answers something else or is no book, SetupError when it cannot
    be read or written.
    """
    if path is None:
        yield AnswerBook({}, None)
        return
    try:
        known = _read(path, key)
        file = path.open("a", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            Code.STORE_UNUSABLE,
            f"cannot keep answers in {str(path)!r}",
            why=str(error),
            fix="name another file with --resume",
        ) from error
    with file:
        if not path.stat().st_size:
            file.write(json.dumps(key) + "\n")
        yield AnswerBook(known, file)


def _read(path: Path, key: Key) -> Mapping[str, Reply]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines == [""]:
        return {}
    whole = lines[:-1]  # what follows the last line break was cut off by a crash
    if lines[-1]:
        path.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    if not whole:  # the crash was in the first line
        return {}
    try:
        header, *entries = (json.loads(line) for line in whole)
        _require_same(path, header, key)
        return {
            entry["id"]: Reply(
                text=entry["text"],
                earlier=tuple(entry["earlier"]),
                finish_reason=entry["finish_reason"],
            )
            for entry in entries
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"{str(path)!r} holds no answers",
            why=f"{type(error).__name__}: {error}",
            fix="name another file with --resume",
        ) from error


def _require_same(path: Path, header: Mapping[str, object], key: Key) -> None:
    for name, wanted in key.items():
        if header.get(name) != wanted:
            raise SpecError(
                Code.BAD_INPUT_FILE,
                f"the answers in {str(path)!r} are to something else",
                why=f"{name} was {header.get(name)!r} there and is {wanted!r} now",
                fix="name another file with --resume",
            )
