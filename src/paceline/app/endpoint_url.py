"""The address of an endpoint as people type it: what `bench` and `eval` take and refuse."""

import re
from typing import Final
from urllib.parse import urlsplit

from paceline.errors import Code, SpecError
from paceline.records.load import Route

SCHEMES: Final = ("http", "https")
_HOST_BY_ITSELF: Final = re.compile(r"localhost|[^/:]+\.[^/:]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
"""A host that is one without a port beside it; a single other word is more likely a slip."""


def endpoint_url(text: str) -> str:
    """`text` without what is added to it (`/v1`, a route) and with the scheme it lacks.

    Raises SpecError for what nothing can be sent to. Sends nothing.
    """
    scheme, _, rest = text.strip().rpartition("://")
    scheme = scheme.lower()
    if scheme not in (*SCHEMES, ""):
        why = f"it begins with {scheme}://, and an endpoint with http:// or https://"
        raise _refused(text, why, rest)
    host = rest.partition("/")[0].rpartition("@")[2]
    if not host:
        raise _refused(text, "there is no host in it", rest)
    try:
        port = urlsplit(f"//{rest}").port
    except ValueError as error:
        raise _refused(text, str(error), rest) from error
    if not scheme and port is None and not _HOST_BY_ITSELF.fullmatch(host):
        raise _refused(text, "it has neither http:// nor a port", rest)
    return f"{scheme or 'http'}://{_base(rest)}"


def _base(rest: str) -> str:
    """What every route is added to: people paste the address of a route, or end with `/v1`."""
    for route in Route:
        rest = rest.rstrip("/").removesuffix(route)
    return rest.rstrip("/").removesuffix("/v1").rstrip("/")


def _refused(text: str, why: str, rest: str) -> SpecError:
    host = rest.partition("/")[0].partition(":")[0] or "127.0.0.1"
    return SpecError(
        Code.BAD_OPTION,
        f"{text!r} is not the URL of an endpoint",
        why=why,
        fix=f"type it as http://{host}:8000, with the port that the server listens on",
    )
