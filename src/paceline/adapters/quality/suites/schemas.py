"""Whether a user's JSON schema can mark replies: found out before anything is asked.

Nothing is fetched: a schema that refers to another address would mark differently from day to day.
"""

import json
from collections.abc import Iterator
from typing import Final

import jsonschema
import jsonschema.validators
from jsonschema_specifications import (  # type: ignore[import-untyped]  # comes with jsonschema
    REGISTRY,
)
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

_DATA: Final = ("const", "default", "enum", "examples")
"""Keys under which there is no schema but a value."""
_PROBES: Final = ("{}", "[]", '""', "0")
"""As JSON."""


def why_unusable(schema: dict[str, object]) -> str | None:
    """What is wrong with a schema; `None` when every value can be held against it."""
    kind = jsonschema.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
        resource = Resource.from_contents(schema, default_specification=DRAFT202012)
        resolver = REGISTRY.resolver_with_root(resource)
        for reference in _references(schema):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                return f"the reference {reference!r} names nothing in it"
        for probe in _PROBES:
            kind(schema).is_valid(json.loads(probe))
    except jsonschema.SchemaError as error:
        return error.message
    except RecursionError:
        return "it refers to itself without end"
    return None


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference
        for key, part in schema.items():
            if key not in _DATA:
                yield from _references(part)
