"""`GET /inspect` of `runtimes/image_server`: the fields of `ImageFacts` as one JSON object."""

from typing import Final

import httpx

from paceline.errors import Code, SetupError
from paceline.records.image import ImageFacts
from paceline.records.load import Target
from paceline.records.serial import Malformed, load

PATH: Final = "/inspect"
TIMEOUT_S: Final = 30.0
_DETAIL_CHARS: Final = 200


class HttpInspector:
    """Inspector over HTTP. `transport` replaces the network in tests."""

    def __init__(self, *, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = transport

    def inspect(self, target: Target) -> ImageFacts:
        """See `Inspector.inspect`."""
        url = target.base_url.rstrip("/").removesuffix("/v1") + PATH
        try:
            with httpx.Client(timeout=TIMEOUT_S, transport=self._transport) as client:
                response = client.get(url)
        except httpx.HTTPError as error:
            raise _failed(url, f"{type(error).__name__}: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise _failed(url, f"HTTP {response.status_code}: {response.text[:_DETAIL_CHARS]}")
        try:
            return load(ImageFacts, response.json())
        except (Malformed, ValueError) as error:
            raise _failed(url, f"no inspection: {error}") from error


def _failed(url: str, why: str) -> SetupError:
    return SetupError(
        Code.ENDPOINT_FAILED,
        f"{url!r} does not tell what is inside",
        why=why,
        fix="look at the server's log; its figures stand without it, its chips do not",
    )
