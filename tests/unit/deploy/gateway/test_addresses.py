"""Addresses of pictures: replicas' in, ours out, and what is none."""

import orjson
import pytest

from paceline.deploy.gateway.addresses import place_of, reached_at, with_our_addresses
from paceline.deploy.gateway.heads import Head, Request
from paceline.records.gateway import ReplicaRoute

FILE = "0a" * 16 + ".png?expires=1795251745&signature=" + "9f" * 32
THEIRS = "http://127.0.0.1:9001/v1/images/files/"


def at(replica_id: str) -> ReplicaRoute:
    return ReplicaRoute(
        replica_id=replica_id,
        host="127.0.0.1",
        port=9001,
        model_name="m",
        version=1,
        capacity=1,
        admitted_at_s=0.0,
    )


def answer(*urls: str) -> bytes:
    return orjson.dumps({"created": 1, "data": [{"url": url} for url in urls]})


def urls_of(body: bytes) -> list[str]:
    return [item["url"] for item in orjson.loads(body)["data"]]


@pytest.mark.parametrize("replica_id", ["demo-1-3f", "größer %2f/x"])
def test_an_address_leads_back_to_its_file(replica_id: str) -> None:
    said = with_our_addresses(answer(THEIRS + FILE), at(replica_id), "https://here")
    (url,) = urls_of(said)
    place = place_of(url.removeprefix("https://here").encode())
    assert place == (replica_id, "/v1/images/files/" + FILE)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v1/images/files/" + FILE,
        THEIRS + "../../metrics",
        THEIRS + FILE + "&more=1",
        "",
    ],
)
def test_other_addresses_stay(url: str) -> None:
    assert urls_of(with_our_addresses(answer(url), at("r1"), "http://h")) == [url]


@pytest.mark.parametrize("body", [b"", b"[]", b"no JSON", b'{"data":7}', b'{"data":[1,{"url":2}]}'])
def test_answers_of_another_shape_stay(body: bytes) -> None:
    assert with_our_addresses(body, at("r1"), "http://h") == body


@pytest.mark.parametrize(
    "target",
    [
        "/v1/images/files/" + FILE,
        "/v1/images/files/r1/../" + FILE,
        "/v1/images/files/r1/x/" + FILE,
        "/v1/images/files/r1/" + FILE + "\r\nx: y",
        "/v1/images/files/r1/" + FILE + "\n",
        "/v1/images/files/r1/" + FILE.replace("?", "%3f"),
        "/metrics",
    ],
)
def test_nothing_else_reaches_a_replica(target: str) -> None:
    assert place_of(target.encode()) is None


@pytest.mark.parametrize(
    ("headers", "reached"),
    [
        ({b"host": b"h:8000"}, "http://h:8000"),
        ({b"host": b"[::1]:8000"}, "http://[::1]:8000"),
        ({b"host": b"h", b"x-forwarded-proto": b"https"}, "https://h"),
        ({b"host": b"h", b"x-forwarded-host": b"a.b, c.d"}, "http://a.b"),
        ({b"host": b"h", b"x-forwarded-host": b"a/b"}, "http://h"),
        ({b"host": b"h", b"x-forwarded-proto": b"javascript"}, "http://h"),
        ({b"host": b'h"x'}, ""),
        ({}, ""),
    ],
)
def test_the_client_is_told_where_it_reached_us(headers: dict[bytes, bytes], reached: str) -> None:
    head = Head(b"POST", b"/", headers, http_1_0=not headers)
    assert reached_at(Request(head, b"", 0), tls=False) == reached
    if headers == {b"host": b"h:8000"}:
        assert reached_at(Request(head, b"", 0), tls=True) == "https://h:8000"
