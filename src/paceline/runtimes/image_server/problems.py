"""Answers that are errors, in OpenAI's shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

SHOWN_CHARACTERS = 80


class Problem(Exception):
    """An error to answer with. `details` are added to the error object, beside OpenAI's fields."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        ours = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = "server_error" if ours else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": {**error, **self.details}}

    def headers(self) -> dict[str, str]:
        """What the answer carries besides its body."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def out_of_bounds(field: str, value: object, bound: str) -> Problem:
    """422: what `field` was given, and what it may be."""
    shown = show(value)
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"'{field}' is {shown}; it must be {bound}",
        code="out_of_bounds",
        param=field,
        details={"value": shown, "bound": bound},
    )


def show(value: object) -> str:
    """A value from outside for people; long ones by their length."""
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"a text of {len(value)} characters"
    if isinstance(value, list | dict):
        return f"a list of {len(value)}" if isinstance(value, list) else "an object"
    text = "null" if value is None else ascii(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
