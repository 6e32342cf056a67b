"""Pictures by address, through a real gateway from the image server itself; only its painter is not
a pipeline.
"""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import uvicorn
from tests.unit.runtimes.image_server.test_app import House

from paceline.testing.gateway import (
    PATIENCE_S,
    Reply,
    RunningGateway,
    endpoint,
    replica,
    running_gateway,
)
from paceline.testing.image_engines import read_png

pytestmark = pytest.mark.enable_socket

ROUTE = "/v1/images/generations"
SEED = 200


@pytest.fixture(scope="module")
def easel() -> Iterator[str]:
    """The URL of an image server."""
    house = House()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(house.client.app, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(PATIENCE_S)
    house.shelf.close()
    house.worker.broken = True  # the way in which its thread ends


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def gateway(process: RunningGateway, easel: str) -> RunningGateway:
    process.serve(endpoint(replica(easel, "demo-1-ab", model_name="acme/pictures")))
    return process


def paint(gateway: RunningGateway, **headers: str) -> str:
    """The address of a grey picture."""
    asked = {"model": "demo", "prompt": "grey", "size": "64x64", "seed": SEED}
    reply = gateway.ask(asked | {"response_format": "url"}, path=ROUTE, headers=headers)
    assert reply.status == 200 and reply.document["model"] == "demo"
    (item,) = reply.document["data"]
    url: str = item["url"]
    return url


def fetch(gateway: RunningGateway, url: str) -> Reply:
    """Without a key, as a browser does."""
    parts = urlsplit(url)
    return gateway.ask(path=f"{parts.path}?{parts.query}", key=None, method="GET")


def test_a_picture_is_fetched_where_it_was_asked_for(gateway: RunningGateway) -> None:
    url = paint(gateway)
    assert url.startswith(f"http://127.0.0.1:{gateway.port}/v1/images/files/demo-1-ab/")
    reply = fetch(gateway, url)
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert reply.headers["x-paceline-replica"] == "demo-1-ab"
    assert (read_png(reply.body).pixels == SEED).all()


def test_the_address_is_the_one_that_a_proxy_was_asked_at(gateway: RunningGateway) -> None:
    proxied = {"x-forwarded-host": "api.example.com", "x-forwarded-proto": "https"}
    assert paint(gateway, **proxied).startswith("https://api.example.com/v1/images/files/")
    strange = {"x-forwarded-host": "a/b\\c", "x-forwarded-proto": "ftp"}
    assert paint(gateway, **strange).startswith(f"http://127.0.0.1:{gateway.port}/")


def test_pictures_in_the_answer_are_as_they_were(gateway: RunningGateway) -> None:
    asked = {"model": "demo", "prompt": "grey", "size": "64x64", "seed": SEED}
    (item,) = gateway.ask(asked, path=ROUTE).document["data"]
    assert set(item) == {"b64_json"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("signature=", "signature=0"),
        ("expires=", "expires=9"),
        ("demo-1-ab/", "demo-1-cd/"),
        ("demo-1-ab/", "demo-1-ab/../../../"),
        ("demo-1-ab/", ""),
        ("?", "?x=1&"),
    ],
)
def test_a_changed_address_is_none(gateway: RunningGateway, old: str, new: str) -> None:
    reply = fetch(gateway, paint(gateway).replace(old, new))
    assert (reply.status, reply.code) == (404, "no_such_file")
    assert reply.document["error"]["type"] == "not_found_error"


def test_files_go_with_their_replica(gateway: RunningGateway, easel: str) -> None:
    url = paint(gateway)
    draining = replica(easel, "demo-1-ab", model_name="acme/pictures", draining=True)
    gateway.serve(endpoint(draining))
    assert fetch(gateway, url).status == 200
    gateway.serve(endpoint())
    reply = fetch(gateway, url)
    assert (reply.status, reply.code) == (404, "no_such_file")
    assert "ended" in reply.document["error"]["message"]


def test_a_replica_that_does_not_answer_is_502_and_blamed_for_nothing(
    gateway: RunningGateway,
) -> None:
    url = paint(gateway)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    gateway.serve(endpoint(replica(f"http://127.0.0.1:{port}", "demo-1-ab")))
    for _ in range(5):
        reply = fetch(gateway, url)
        assert (reply.status, reply.code) == (502, "engine_failed")
    assert 'replica="demo-1-ab"} 0' in gateway.metrics().partition("ejected{")[2]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ncontent-type: image/png\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * (33 << 20),
        b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        b"",
    ],
    ids=["half", "too large", "500", "garbage", "nothing"],
)
def test_half_a_file_or_none_is_502_in_openais_shape(gateway: RunningGateway, said: bytes) -> None:
    url = paint(gateway)

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        gateway.serve(endpoint(replica(f"http://127.0.0.1:{port}", "demo-1-ab")))
        reply = fetch(gateway, url)
        thread.join(PATIENCE_S)
    assert (reply.status, reply.code) == (502, "engine_failed")
    assert fetch(gateway, url + "0").status == 404, "the gateway goes on"


def test_only_get_is_for_files(gateway: RunningGateway) -> None:
    parts = urlsplit(paint(gateway))
    reply = gateway.ask({}, path=f"{parts.path}?{parts.query}")
    assert (reply.status, reply.code) == (405, "method_not_allowed")


def test_files_come_one_after_the_other_on_one_connection_and_cost_nothing(
    gateway: RunningGateway,
) -> None:
    targets = [url.path + "?" + url.query for url in (urlsplit(paint(gateway)) for _ in range(2))]
    before = len(gateway.usage())
    head = "GET {} HTTP/1.1\r\nhost: x\r\n\r\n"
    health = head.format("/health").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")
    sent = "".join(head.format(target) for target in targets) + health
    answers = gateway.raw(sent.encode()).split(b"HTTP/1.1 200 OK\r\n")[1:]
    kinds = [b"content-type: image/png" in answer for answer in answers]
    assert kinds == [True, True, False]
    assert len(gateway.usage()) == before


def test_a_client_that_leaves_does_no_harm(gateway: RunningGateway) -> None:
    url = urlsplit(paint(gateway))
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
        connection.request("GET", f"{url.path}?{url.query}")
        connection.close()
    assert fetch(gateway, url.geturl()).status == 200
