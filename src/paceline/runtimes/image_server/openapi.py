"""The OpenAPI document, from the same table that requests are checked by. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from paceline.runtimes.image_server.fields import Field

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"enum": ["invalid_request_error", "server_error"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
_IMAGE: Final = {
    "type": "object",
    "properties": {
        "b64_json": {"type": "string", "description": "a PNG file"},
        "url": {"type": "string", "description": "address of a PNG file, valid for an hour"},
        "latents": {"type": "string", "description": "float16, little-endian"},
        "latents_shape": {"type": "array", "items": {"type": "integer"}},
    },
}
_IMAGES: Final = {
    "type": "object",
    "required": ["created", "data", "inference_ms", "width", "height", "model", "seed"],
    "properties": {
        "created": {"type": "integer"},
        "data": {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": 4},
        "inference_ms": {"type": "number", "minimum": 0},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "model": {"type": "string"},
        "seed": {"type": "integer", "description": "of the first picture; the next has seed + 1"},
    },
}
_REFUSED: Final = {
    "400": "the body is no JSON object",
    "404": "another model's name",
    "413": "the body is too long",
    "422": "a field is out of bounds; the error names it, its value and the bound",
    "500": "the pipeline failed on this request",
    "503": "no place in the queue, no memory, or still starting",
}


def document(fields: Iterable[Field]) -> dict[str, Any]:
    """OpenAPI 3.1 for a server whose requests may hold these fields."""
    table = tuple(fields)
    body = {
        "type": "object",
        "required": [field.name for field in table if field.required],
        "properties": {field.name: field.json_schema() for field in table},
        "additionalProperties": False,
    }
    generate = {
        "operationId": "generate",
        "summary": "Make pictures from a text",
        "requestBody": {"required": True, "content": _json(body)},
        "responses": {
            "200": {"description": "the pictures", "content": _json(_IMAGES)},
            **{status: _refusal(text) for status, text in _REFUSED.items()},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paceline image server", "version": "1"},
        "paths": {
            "/v1/images/generations": {"post": generate},
            "/v1/images/files/{name}": {"get": _file()},
            "/v1/models": {"get": _plain("models", "The model")},
            "/health": {"get": _plain("health", "Whether it can serve", refused=("503",))},
            "/inspect": {"get": _plain("inspect", "What is inside", refused=("503",))},
            "/metrics": {"get": _metrics()},
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json(_ERROR)}


def _plain(name: str, summary: str, *, refused: tuple[str, ...] = ()) -> dict[str, Any]:
    any_object = _json({"type": "object"})
    answers: dict[str, Any] = {"200": {"description": summary, "content": any_object}}
    answers |= {status: {"description": "not yet", "content": any_object} for status in refused}
    return {"operationId": name, "summary": summary, "responses": answers}


def _metrics() -> dict[str, Any]:
    page = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": "metrics",
        "summary": "Counters, gauges and histograms for Prometheus",
        "responses": {"200": {"description": "the page", "content": page}},
    }


def _file() -> dict[str, Any]:
    parameters = [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        *(
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
            for name in ("expires", "signature")
        ),
    ]
    return {
        "operationId": "file",
        "summary": "A picture by its signed address",
        "parameters": parameters,
        "responses": {
            "200": {"description": "the file", "content": {"image/png": {}}},
            "404": _refusal("wrong or expired"),
        },
    }
