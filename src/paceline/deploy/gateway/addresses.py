"""Addresses of pictures that a replica keeps: its own in an answer, ours for the client.

A replica signs `/v1/images/files/NAME?expires=…&signature=…`. A client reaches no replica, so it is
told the gateway's address with the replica's id before the name. The signature is the replica's,
and whoever has the address may fetch the picture, as with OpenAI's. Pure.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import orjson

from paceline.deploy.gateway.heads import Request
from paceline.records.gateway import ReplicaRoute

FILES: Final = b"/v1/images/files/"
_FILE: Final = r"[0-9a-f]{32}\.png\?expires=[0-9]{1,20}&signature=[0-9a-f]{64}"
_OURS: Final = re.compile(rf"{FILES.decode()}([A-Za-z0-9._~%-]{{1,300}})/({_FILE})")
_THEIRS: Final = re.compile(_FILE)
_HOST: Final = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")


class Place(NamedTuple):
    """A file at a replica; `target` is what the replica is asked for."""

    replica_id: str
    target: str


def place_of(target: bytes) -> Place | None:
    """What an address of ours means; `None` for anything else, so that no replica ever sees it."""
    found = _OURS.fullmatch(target.decode("ascii", "replace"))
    if found is None:
        return None
    return Place(unquote(found[1]), FILES.decode() + found[2])


def reached_at(request: Request, *, tls: bool) -> str:
    """Scheme and host that the client used, by `Host` or by what a proxy says in front of us.

    A client that lies here is told a useless address and nobody else is. Without a host, as in
    HTTP/1.0, it is empty and an address is only a path.
    """
    headers = request.head.headers
    host = _word(headers.get(b"x-forwarded-host", b""))
    if _HOST.fullmatch(host) is None:
        host = _word(headers.get(b"host", b""))
    scheme = _word(headers.get(b"x-forwarded-proto", b""))
    if scheme not in ("http", "https"):
        scheme = "https" if tls else "http"
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else ""


def with_our_addresses(body: bytes, replica: ReplicaRoute, reached: str) -> bytes:
    """An answer in which files of the replica have addresses of ours; all else is left as it is."""
    theirs = f"http://{replica.host}:{replica.port}{FILES.decode()}"
    ours = f"{reached}{FILES.decode()}{quote(replica.replica_id, safe='')}/"
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    items = document.get("data") if isinstance(document, dict) else None
    changed = False
    for item in items if isinstance(items, list) else ():
        url = item.get("url") if isinstance(item, dict) else None
        if isinstance(url, str) and _THEIRS.fullmatch(file := url.removeprefix(theirs)):
            item["url"], changed = ours + file, True
    return orjson.dumps(document) if changed else body


def _word(value: bytes) -> str:
    """The first of a list, which the proxy next to the client wrote."""
    return value.decode("latin-1").partition(",")[0].strip()
