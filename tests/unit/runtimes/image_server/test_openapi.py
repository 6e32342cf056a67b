"""The document and the checks come from one table; here they are compared by a judge of schemas."""

import json
from dataclasses import asdict
from typing import Any

import jsonschema
import pytest

from paceline.records.image_families import IMAGE_FAMILIES
from paceline.runtimes.image_server.ask import Reader
from paceline.runtimes.image_server.family import read_family
from paceline.runtimes.image_server.openapi import document
from paceline.runtimes.image_server.problems import Problem

READER = Reader(
    read_family(json.dumps(asdict(IMAGE_FAMILIES["flux-schnell"]))),
    model_name="m",
    new_seed=lambda: 0,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 4, 5, 20, 21, 50, 51, -1, 1.0, 0.5, 100, 2**31 - 1, 2**31),
    *("", "a", "m", "auto", "64x64", "72x64", "64x2048", "64x2064", "x" * 513, "url", "realtime"),
    *("flow-match-euler", "dpm++", "png", "standard", "opaque", "low", [], {}),
)


def body_schema() -> dict[str, Any]:
    generate = document(READER.fields.values())["paths"]["/v1/images/generations"]["post"]
    schema: dict[str, Any] = generate["requestBody"]["content"]["application/json"]["schema"]
    return schema


def accepts(body: dict[str, Any]) -> bool:
    try:
        READER.read(json.dumps(body).encode())
    except Problem:
        return False
    return True


@pytest.mark.parametrize("field", READER.fields)
def test_schema_and_check_agree_on_every_value(field: str) -> None:
    judge = jsonschema.Draft202012Validator(body_schema())
    for value in VALUES:
        body = {"prompt": "a", field: value}
        assert judge.is_valid(body) == accepts(body), (field, value)


def test_it_is_json_and_names_every_route() -> None:
    told = json.loads(json.dumps(document(READER.fields.values())))
    assert told["openapi"].startswith("3.1")
    assert set(told["paths"]) == {
        "/health", "/inspect", "/metrics", "/v1/models", "/v1/images/generations",
        "/v1/images/files/{name}",
    }  # fmt: skip
    assert body_schema()["required"] == ["prompt"]
