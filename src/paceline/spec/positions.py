"""YAML text → values, with the line of every key, so that an error can point at it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import yaml

from paceline.errors import Code, SpecError

Path = tuple[str | int, ...]
KEYS_PAGE: Final = "docs/reference/constraints.md"
MOST_CHARACTERS: Final = 200_000
"""A request is a screen of text; anything near this is another kind of file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Parsed YAML: `data` is its mapping, `lines` the 1-based line of each path within it."""

    source: str
    data: dict[str, object]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, source: str, *, page: str = KEYS_PAGE) -> Document:
    """A YAML mapping with positions; for messages `source` is the file name, `page` its docs.

    Raises SpecError (`bad-input-file`) for broken YAML, a repeated key, an alias, or a document
    that is no mapping.
    """
    if len(text) > MOST_CHARACTERS:
        raise bad_file(source, None, f"{len(text)} characters; at most 200,000 are read", page=page)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                mark = event.start_mark
                line = None if mark is None else mark.line + 1
                raise bad_file(source, line, f"aliases (*{event.anchor}) are not read", page=page)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        raise bad_file(source, line, error.problem or "it is no YAML", page=page) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise bad_file(source, None, str(error).splitlines()[0], page=page) from error
    if not isinstance(node, yaml.MappingNode):
        raise bad_file(
            source, 1, "it holds no keys; the first line is usually `version: 1`", page=page
        )
    lines: dict[Path, int] = {}
    _walk(node, (), lines, source, page)
    return Document(source=source, data=data, lines=lines)


@contextmanager
def at(document: Document, *path: str | int) -> Iterator[None]:
    """Lets a SpecError about what stands at `path` begin with the file and the line."""
    try:
        yield
    except SpecError as error:
        place = f"{document.source}, line {document.line(path)}"
        raise SpecError(
            error.code, f"{place}: {error.what}", why=error.why, fix=error.fix
        ) from error


def bad_file(
    source: str, line: int | None, why: str, *, key: str | None = None, page: str = KEYS_PAGE
) -> SpecError:
    """The error for a file that cannot be used, at its line and key; `page` lists its keys."""
    place = source if line is None else f"{source}, line {line}"
    return SpecError(
        Code.BAD_INPUT_FILE,
        f"{place}: cannot use {'the file' if key is None else f'`{key}`'}",
        why=why,
        fix=f"mend {'the file' if line is None else f'line {line}'}; the keys are in {page}",
    )


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], source: str, page: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                first = lines[here]
                why = f"the key was given in line {first} already"
                raise bad_file(source, line, why, key=str(key.value), page=page)
            lines[here] = line
            _walk(value, here, lines, source, page)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*path, index] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, source, page)
