"""Records as JSON-safe values and back, checked against the declared types both ways.

Covers what records are made of: dataclasses, enums, tuples (of one type or of fixed length),
mappings with text or enum keys, numbers, text, booleans, and unions of these with `None`. It does
not cover arrays (`records.samples` packs those) nor anything that lives.

A value that went out and came back is equal to what it was. A field that the stored form lacks
takes its default, so that a field with a default may be added without a new schema version;
anything else that differs is refused with the path of the field.
"""

import json
import math
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Final, TypeVar, Union, cast

SCHEMA_VERSION: Final = 1
"""Of every record stored by `pack`. Raised when a stored record can no longer be read as it is."""

VERSION_KEY: Final = "schema_version"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Record = TypeVar("Record")


class Malformed(ValueError):
    """A stored value is not what its type says. `path` is like `$.trials[2].cause`."""

    def __init__(self, path: str, because: str) -> None:
        super().__init__(f"{path}: {because}")
        self.path = path
        self.because = because


class NewerSchema(ValueError):
    """Stored by a later program; both versions are in the message."""

    def __init__(self, stored: int) -> None:
        super().__init__(f"schema version {stored} is newer than {SCHEMA_VERSION}")
        self.stored = stored


def dump(record: object) -> dict[str, Json]:
    """A record as a JSON object; floats stay floats, so that equal records give equal text.

    Raises Malformed when a field holds something else than it declares, NaN and infinity included.
    """
    return cast("dict[str, Json]", _codec(cast("Hashable", type(record))).dump(record, "$"))


def load(kind: type[Record], value: object, *, path: str = "$") -> Record:
    """The record that `dump` wrote, from parsed JSON. Raises Malformed."""
    return cast("Record", _codec(cast("Hashable", kind)).load(value, path))


def pack(record: object) -> str:
    """`dump` as canonical JSON text, with the schema version beside the fields."""
    return canonical({VERSION_KEY: SCHEMA_VERSION, **dump(record)})


def unpack(kind: type[Record], text: str) -> Record:
    """The record that `pack` wrote. Raises Malformed or NewerSchema."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Malformed("$", f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("$", f"{_kind(value)} where an object belongs")
    version = value.pop(VERSION_KEY, None)
    if not isinstance(version, int):
        raise Malformed(f"$.{VERSION_KEY}", f"{version!r} where a number belongs")
    if version > SCHEMA_VERSION:
        raise NewerSchema(version)
    return load(kind, value)


def canonical(value: Json) -> str:
    """One text for one value: sorted keys, no spaces, ASCII only.

    ASCII because a model may answer with half a surrogate pair, which UTF-8 cannot hold and
    `\\udXXX` can. Raises ValueError for NaN and infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class _Codec:
    dump: Callable[[object, str], Json]
    load: Callable[[object, str], object]


@cache
def _codec(kind: Hashable) -> _Codec:
    """How values of one declared type are written and read; made once per type."""
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(typing.get_args(kind))
    if origin is tuple:
        return _tuple(typing.get_args(kind))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(*typing.get_args(kind))
    if isinstance(kind, type):
        if is_dataclass(kind):
            return _record(kind)
        if issubclass(kind, Enum):
            return _enum(kind)
        if kind in _PLAIN:
            return _plain(kind)
    raise TypeError(f"{kind!r} cannot be stored: not a record, enum, tuple, mapping or plain value")


def _record(kind: type) -> _Codec:
    hints = typing.get_type_hints(kind)
    codecs = {field.name: _codec(hints[field.name]) for field in fields(kind)}
    required = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }

    def dump_record(value: object, path: str) -> Json:
        _expect(value, kind, path)
        return {
            name: codec.dump(getattr(value, name), f"{path}.{name}")
            for name, codec in codecs.items()
        }

    def load_record(value: object, path: str) -> object:
        stored = _object(value, path)
        for name in stored:
            if name not in codecs:
                raise Malformed(f"{path}.{name}", f"{kind.__name__} has no such field")
        missing = sorted(required - stored.keys())
        if missing:
            raise Malformed(f"{path}.{missing[0]}", "missing")
        values = {name: codecs[name].load(part, f"{path}.{name}") for name, part in stored.items()}
        return kind(**values)

    return _Codec(dump_record, load_record)


def _enum(kind: type[Enum]) -> _Codec:
    def dump_enum(value: object, path: str) -> Json:
        _expect(value, kind, path)
        return cast("Json", cast("Enum", value).value)

    def load_enum(value: object, path: str) -> object:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(repr(member.value) for member in kind)
            raise Malformed(path, f"{value!r} is none of {known}") from None

    return _Codec(dump_enum, load_enum)


def _tuple(args: tuple[Hashable, ...]) -> _Codec:
    endless = len(args) == 2 and args[1] is Ellipsis  # noqa: PLR2004 - tuple[X, ...]
    codecs = tuple(_codec(part) for part in (args[:1] if endless else args))

    def parts(value: object, path: str, outer: type) -> list[tuple[_Codec, object, str]]:
        _expect(value, outer, path)
        items = list(cast("typing.Iterable[object]", value))
        if not endless and len(items) != len(codecs):
            raise Malformed(path, f"{len(items)} entries where {len(codecs)} belong")
        each = codecs * len(items) if endless else codecs
        places = (f"{path}[{i}]" for i in range(len(items)))
        return list(zip(each, items, places, strict=False))

    def dump_tuple(value: object, path: str) -> Json:
        return [codec.dump(item, place) for codec, item, place in parts(value, path, tuple)]

    def load_tuple(value: object, path: str) -> object:
        return tuple(codec.load(item, place) for codec, item, place in parts(value, path, list))

    return _Codec(dump_tuple, load_tuple)


def _mapping(key: Hashable, part: Hashable) -> _Codec:
    keys, values = _codec(key), _codec(part)

    def dump_mapping(value: object, path: str) -> Json:
        _expect(value, Mapping, path)
        pairs = cast("Mapping[object, object]", value).items()
        return {
            cast("str", keys.dump(name, path)): values.dump(item, f"{path}.{name}")
            for name, item in pairs
        }

    def load_mapping(value: object, path: str) -> object:
        return {
            keys.load(name, path): values.load(item, f"{path}.{name}")
            for name, item in _object(value, path).items()
        }

    return _Codec(dump_mapping, load_mapping)


def _union(members: tuple[Hashable, ...]) -> _Codec:
    """`None`, plain values told apart by their JSON kind, and at most one other member."""
    kinds = [member for member in members if member != _NULL]
    plain = {kind: _codec(kind) for kind in _PLAIN if kind in kinds}
    others = [_codec(kind) for kind in kinds if kind not in _PLAIN]
    if len(others) > 1:
        raise TypeError(f"{members!r} cannot be told apart in JSON")
    nullable = len(kinds) < len(members)

    def pick(value: object, path: str) -> _Codec:
        for kind, codec in plain.items():
            if isinstance(value, kind):
                return codec
        if isinstance(value, int) and float in plain:
            return plain[float]
        if others:
            return others[0]
        names = " or ".join(kind.__name__ for kind in plain)
        raise Malformed(path, f"{_kind(value)} where {names} belongs")

    def dump_union(value: object, path: str) -> Json:
        return None if value is None and nullable else pick(value, path).dump(value, path)

    def load_union(value: object, path: str) -> object:
        return None if value is None and nullable else pick(value, path).load(value, path)

    return _Codec(dump_union, load_union)


_PLAIN: Final[tuple[type, ...]] = (bool, int, float, str)
"""`bool` first: it is an `int` to Python and none to JSON."""
_NULL: Final = cast("Hashable", types.NoneType)


def _plain(kind: type) -> _Codec:
    takes = (int, float) if kind is float else kind

    def check(value: object, path: str) -> Json:
        if not isinstance(value, takes) or (isinstance(value, bool) and kind is not bool):
            raise Malformed(path, f"{_kind(value)} where {kind.__name__} belongs")
        plain: Json = kind(value)  # a StrEnum member or a numpy float becomes the plain value
        if isinstance(plain, float) and not math.isfinite(plain):
            raise Malformed(path, f"{plain} is no JSON number")
        return plain

    return _Codec(check, check)


def _object(value: object, path: str) -> Mapping[str, object]:
    _expect(value, dict, path)
    return cast("Mapping[str, object]", value)


def _expect(value: object, kind: type, path: str) -> None:
    if not isinstance(value, kind):
        raise Malformed(path, f"{_kind(value)} where {kind.__name__} belongs")


def _kind(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
