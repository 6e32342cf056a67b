"""Suite files → `Suite`: JSONL with an optional header line, or CSV.

A malformed item is an error that names its line. What a line may hold is written down in
`docs/reference/suites.md`.
"""

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, FiniteFloat, ValidationError

from paceline.adapters.quality.suites.items import ItemText, Unusable, items_from
from paceline.errors import Code, SpecError, reason_of
from paceline.records.quality import Item, Suite

MAX_FILE_MIB: Final = 256
_WEIGHTS_TOLERANCE: Final = 1e-6

Text = TypeVar("Text", bound=BaseModel)


class _HeaderText(BaseModel):
    """The first line of a JSONL suite; further keys are for people."""

    suite: str
    version: int | str
    sha256: str | None = None
    weights: dict[str, FiniteFloat] | None = None
    scorer_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int
    value: Mapping[str, object]


def read_suite(path: Path) -> Suite:
    """The suite in a `.jsonl` or `.csv` file.

    Raises SpecError: unreadable, too large, a malformed item (with its line), duplicate ids, no
    items, or a hash that is not the header's.
    """
    text = _read(path)
    if path.suffix == ".csv":
        return _suite(path, _HeaderText(suite=path.stem, version="1"), _csv_lines(path, text), text)
    return parse_jsonl(path, text)


def parse_jsonl(path: Path, text: str) -> Suite:
    """The suite in a JSONL text; `path` is what errors name. Raises SpecError as `read_suite`."""
    lines = list(_jsonl_lines(path, text))
    if lines and "suite" in lines[0].value:
        header = _validated(_HeaderText, path, lines[0])
        _, _, body = text.partition("\n")
        return _suite(path, header, lines[1:], body)
    return _suite(path, _HeaderText(suite=path.stem, version="1"), lines, text)


def hash_of(item_lines: str, weights: Mapping[str, float] | None) -> str:
    """SHA-256 over the item lines as written, after the weights where a suite has them."""
    first = json.dumps(dict(sorted(weights.items()))) + "\n" if weights else ""
    return hashlib.sha256((first + item_lines).encode()).hexdigest()


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_MIB * 2**20:
            raise SpecError(
                Code.BAD_INPUT_FILE,
                f"the suite {str(path)!r} is too large",
                why=f"{path.stat().st_size / 2**20:.0f} MiB > {MAX_FILE_MIB} MiB",
                fix="split it into several suites",
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read the suite {str(path)!r}",
            why=reason_of(error),
            fix="give a readable .jsonl or .csv file in UTF-8",
        ) from error


def _jsonl_lines(path: Path, text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _at(path, number, f"no JSON: {error}") from error
        if not isinstance(value, dict):
            raise _at(path, number, f"a {type(value).__name__} where an object belongs")
        yield _Line(number=number, value=value)


def _csv_lines(path: Path, text: str) -> list[_Line]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    lines = []
    names = Counter(reader.fieldnames or ())
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise _at(path, 1, f"a column is there twice: {', '.join(twice)}")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise _at(path, reader.line_num, "not as many cells as the header has columns")
            lines.append(_Line(number=reader.line_num, value=_from_cells(row)))
    except csv.Error as error:
        raise _at(path, reader.line_num, str(error)) from error
    return lines


def _from_cells(row: Mapping[str, str]) -> Mapping[str, object]:
    """Cells as values: empty ones are left out, lists are split at `|`, a schema is JSON text."""
    value: dict[str, object] = {key: cell for key, cell in row.items() if cell != ""}
    for key in ("choices", "also"):
        if key in value:
            value[key] = [part.strip() for part in row[key].split("|")]
    if "schema" in value:
        try:
            value["schema"] = json.loads(row["schema"])
        except ValueError:
            value["schema"] = row["schema"]  # refused with its line by the validation
    return value


def _suite(path: Path, header: _HeaderText, lines: Sequence[_Line], body: str) -> Suite:
    items: dict[str, Item] = {}
    for line in lines:
        for item in _items(path, line):
            if item.item_id in items:
                raise _at(path, line.number, f"the id {item.item_id!r} is already taken")
            items[item.item_id] = item
    if not items:
        raise _at(path, 1, "the suite has no items")
    sha256 = hash_of(body, header.weights)
    if header.sha256 not in (None, sha256):
        raise SpecError(
            Code.SUITE_CHANGED,
            f"the items of {str(path)!r} are not what its header says",
            why=f"header sha256 {str(header.sha256)[:16]}, items {sha256[:16]}",
            fix="restore the file, or give it a new version and hash",
        )
    _check_weights(path, header.weights, {item.category for item in items.values()})
    scorer_path = path.parent / header.scorer_path if header.scorer_path else None
    return Suite(
        name=header.suite,
        version=str(header.version),
        sha256=sha256,
        items=tuple(items.values()),
        weights=header.weights,
        scorer_path=str(scorer_path) if scorer_path else None,
    )


def _check_weights(path: Path, weights: Mapping[str, float] | None, present: set[str]) -> None:
    if weights is None:
        return
    off = abs(math.fsum(weights.values()) - 1) > _WEIGHTS_TOLERANCE
    if set(weights) != present or min(weights.values()) <= 0 or off:
        raise _at(
            path,
            1,
            f"the weights {dict(weights)} must be positive, sum to 1 and name the categories "
            f"{sorted(present)}",
        )


def _items(path: Path, line: _Line) -> tuple[Item, ...]:
    text = _validated(ItemText, path, line)
    try:
        return items_from(text)
    except Unusable as error:
        raise _at(path, line.number, f"item {text.id!r}: {error}") from error


def _validated(kind: type[Text], path: Path, line: _Line) -> Text:
    try:
        return kind.model_validate(line.value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the item"
        raise _at(path, line.number, f"`{where}`: {first['msg']}") from error


def _at(path: Path, number: int, because: str) -> SpecError:
    return SpecError(
        Code.BAD_INPUT_FILE,
        f"line {number} of {str(path)!r} is no item of a suite",
        why=because,
        fix="see docs/reference/suites.md for what an item may hold",
    )
