"""What a model reads while it is quantized: a file of the user's own, or a small text of ours."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.checkpoint import Calibration

MOST_TEXTS: Final = 512
"""More changes little: llmcompressor's own default number of samples."""
_FIELDS: Final = ("text", "prompt", "content")


def built_in() -> Calibration:
    """Three dozen short texts: prose, dialogue, code, tables, five languages."""
    text = files("paceline.app").joinpath("calibration.txt").read_text(encoding="utf-8")
    return Calibration(name="built-in", texts=tuple(_paragraphs(text)))


def read_calibration(path: Path) -> Calibration:
    """Texts of a file: JSON lines with `text`, `prompt` or `messages`, else blank-line paragraphs.

    Of more than `MOST_TEXTS`, as many at even distances. Raises SpecError naming the line.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, str(error), "name a readable UTF-8 file") from error
    rows = _json_lines(path, content) if path.suffix == ".jsonl" else _paragraphs(content)
    texts = tuple(text for text in rows if text.strip())
    if not texts:
        raise _bad(path, "it holds no text", "put at least one paragraph in it")
    step = max(1.0, len(texts) / MOST_TEXTS)
    chosen = tuple(texts[int(index * step)] for index in range(min(len(texts), MOST_TEXTS)))
    return Calibration(name=path.name, texts=chosen)


def _paragraphs(content: str) -> Iterator[str]:
    return (part.strip("\n") for part in content.split("\n\n"))


def _json_lines(path: Path, content: str) -> Iterator[str]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            text = _text(json.loads(line))
        except ValueError as error:
            raise _bad(path, f"line {number} is no JSON: {error}", "one object per line") from error
        if text is None:
            shown = ", ".join(repr(name) for name in (*_FIELDS, "messages"))
            raise _bad(path, f"line {number} has none of {shown}", "give each line one of them")
        yield text


def _text(row: object) -> str | None:
    match row:
        case str():
            return row
        case {"messages": list(messages)}:
            return "\n".join(str(m["content"]) for m in messages if "content" in m)
        case dict():
            found = next((row[name] for name in _FIELDS if isinstance(row.get(name), str)), None)
            return None if found is None else str(found)
        case _:
            return None


def _bad(path: Path, why: str, fix: str) -> SpecError:
    return SpecError(Code.BAD_INPUT_FILE, f"no calibration text in {str(path)!r}", why=why, fix=fix)
