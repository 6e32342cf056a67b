"""The request file, version 1: its keys and their shapes.

Shapes only; what the texts in it mean is read by the same grammars that read flags.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from paceline.errors import SpecError
from paceline.spec.positions import Document, bad_file

VERSION = 1


def _listed(value: object) -> object:
    """A single name stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    """`concurrency: 16` and `concurrency: "16"` are the same override."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if plain else value


Names = Annotated[list[str], BeforeValidator(_listed)]
Override = Annotated[str, BeforeValidator(_as_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class WorkloadSection(_Strict):
    """A workload as a mapping: a preset and what differs from it."""

    preset: str | None = None
    concurrency: Override | None = None
    rate: Override | None = None
    arrivals: str | None = None
    input: Override | None = None
    output: Override | None = None
    prefix: Override | None = None
    duration: str | None = None
    size: str | None = None
    steps: Override | None = None
    guidance: Override | None = None
    scheduler: str | None = None
    requests: Override | None = None


class RequestFile(_Strict):
    """Everything that a request file may say; all but the version is optional."""

    version: Literal[1]
    model: str | None = None
    pipeline: str | None = None
    priority: str | None = None
    constraints: Names = Field(default_factory=list)
    workload: str | WorkloadSection | None = None
    engines: Names = Field(default_factory=list)
    formats: Names = Field(default_factory=list)
    hardware: Names = Field(default_factory=list)
    pin: str | None = None
    budget: str | None = None
    price: float | int | None = None
    seed: int | None = None
    quality_items: int | None = None
    quality_share: float | int | None = None
    beside: Names = Field(default_factory=list)
    suites: Names = Field(default_factory=list)
    draft: str | None = None
    mode: str | None = None
    accept_license: bool = False


def validated(document: Document) -> RequestFile:
    """The document as a request file. Raises SpecError (`bad-input-file`) at the line and key."""
    if "version" not in document.data:
        raise bad_file(document.source, 1, f"it does not say `version: {VERSION}`", key="version")
    try:
        return RequestFile.model_validate(document.data)
    except ValidationError as error:
        raise _at_its_line(document, error) from error


def _at_its_line(document: Document, error: ValidationError) -> SpecError:
    # A union reports one error per member; the deepest is about the member that was meant.
    first = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
    path = tuple(part for part in first["loc"] if part not in ("str", "WorkloadSection"))
    key = ".".join(str(part) for part in path)
    if first["type"] == "extra_forbidden":
        fields = WorkloadSection if len(path) > 1 else RequestFile
        why = f"there is no such key; known are {', '.join(fields.model_fields)}"
    else:
        why = f"{first['msg']}; it holds {first['input']!r}"
    return bad_file(document.source, document.line(path), why, key=key)
