"""What a runtime says of its inside, and what it may say instead."""

import httpx
import pytest

from paceline.adapters.inspectors.http import HttpInspector
from paceline.errors import SetupError
from paceline.records.image import ImageFacts
from paceline.records.load import Target
from paceline.records.serial import dump
from paceline.testing.builders import IMAGE_FACTS


def _inspect(answer: httpx.Response, base_url: str = "http://127.0.0.1:1") -> ImageFacts:
    def serve(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/inspect"
        return answer

    inspector = HttpInspector(transport=httpx.MockTransport(serve))
    return inspector.inspect(Target(base_url=base_url, model="m"))


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://127.0.0.1:1/v1"])
def test_reads_what_the_runtime_says(base_url: str) -> None:
    assert _inspect(httpx.Response(200, json=dump(IMAGE_FACTS)), base_url) == IMAGE_FACTS


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (httpx.Response(404, text="no such route"), "HTTP 404"),
        (httpx.Response(200, text="<html>"), "no inspection"),
        (httpx.Response(200, json={**dump(IMAGE_FACTS), "linears": "many"}), "linears"),
        (httpx.Response(200, json=[1]), "no inspection"),
    ],
)
def test_anything_else_is_said_and_not_made_up(answer: httpx.Response, because: str) -> None:
    with pytest.raises(SetupError, match="does not tell") as caught:
        _inspect(answer)
    assert because in caught.value.why


def test_no_server_is_said() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    inspector = HttpInspector(transport=httpx.MockTransport(refuse))
    with pytest.raises(SetupError) as caught:
        inspector.inspect(Target(base_url="http://127.0.0.1:1", model="m"))
    assert "ConnectError" in caught.value.why
