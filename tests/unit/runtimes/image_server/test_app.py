"""The HTTP side with a painter that has no pipeline: what comes in, what goes out."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient

from paceline.records.image_families import IMAGE_FAMILIES
from paceline.runtimes.image_server.app import MOST_BODY_BYTES, Desk, build_app
from paceline.runtimes.image_server.ask import Reader
from paceline.runtimes.image_server.family import read_family
from paceline.runtimes.image_server.files import FileShelf
from paceline.runtimes.image_server.metrics import ImageMetrics
from paceline.runtimes.image_server.orders import Job, Line, Painted
from paceline.runtimes.image_server.starting import Starting
from paceline.runtimes.image_server.worker import OutOfMemory, Worker
from paceline.testing.image_engines import read_png

ROUTE = "/v1/images/generations"


class Grey:
    """Every picture is one grey, as bright as its seed."""

    def paint(self, jobs: Sequence[Job], on_step: Callable[[int], bool]) -> Sequence[Painted]:
        shape = jobs[0].shape
        if shape.width_px > 1024:
            raise OutOfMemory("3 GiB wanted (1.00 GiB free of 8.00 GiB)")
        on_step(shape.steps)
        size = (shape.height_px, shape.width_px, 3)
        return [
            Painted(
                pixels=np.full(size, job.seed, "uint8"),
                latents=np.zeros((4, 8, 8), "float16") if job.order.ask.with_latents else None,
            )
            for job in jobs
        ]


class House:
    """A server without sockets; `started` is what it is told of its start."""

    def __init__(self, *, started: bool = True) -> None:
        self.starting = Starting()
        self.metrics = ImageMetrics()
        self.shelf = FileShelf()
        self.worker = Worker(
            lambda _: Grey(),
            line=Line(most_waiting=8, most_batch=4),
            metrics=self.metrics,
            starting=self.starting,
            on_dead=lambda: None,
        )
        family = read_family(json.dumps(asdict(IMAGE_FAMILIES["sdxl"])))
        desk = Desk(
            reader=Reader(family, model_name="acme/pictures", new_seed=lambda: 99),
            worker=self.worker,
            starting=self.starting,
            metrics=self.metrics,
            shelf=self.shelf,
            facts=lambda: {"family": family.name},
        )
        self.client = TestClient(build_app(desk), base_url="http://images.test")
        if started:
            self.worker.start()
            while not self.starting.done:
                pass


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.shelf.close()
    house.worker.broken = True  # the way in which its thread ends


def test_an_answer_has_openais_shape_and_what_was_really_done(house: House) -> None:
    body = {"prompt": "a", "size": "64x72", "seed": 200, "n": 2}
    answer = house.client.post(ROUTE, json=body).json()
    assert set(answer) == {"created", "data", "inference_ms", "width", "height", "model", "seed"}
    assert (answer["width"], answer["height"], answer["seed"]) == (64, 72, 200)
    assert answer["model"] == "acme/pictures"
    pictures = [read_png(base64.b64decode(item["b64_json"])) for item in answer["data"]]
    assert [picture.pixels.max() for picture in pictures] == [200, 201]
    assert [picture.notes for picture in pictures] == [(), ()]
    assert all(set(item) == {"b64_json"} for item in answer["data"])


def test_a_request_is_timed_to_its_whole_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [10.0]

    def slow_png(*_: object) -> bytes:
        now_s[0] += 5.0
        return b"PNG"

    monkeypatch.setattr("paceline.runtimes.image_server.app.png", slow_png)
    monkeypatch.setattr(
        "paceline.runtimes.image_server.app.time",
        SimpleNamespace(monotonic=lambda: now_s[0], time=lambda: 1.0),
    )
    assert house.client.post(ROUTE, json={"prompt": "a", "size": "64x64"}).status_code == 200
    assert house.client.post(ROUTE, json={"prompt": "a", "size": "63x64"}).status_code == 422
    page = house.metrics.page().decode()
    assert "image_server_request_seconds_sum 5\n" in page
    assert "image_server_request_seconds_count 1\n" in page


def test_what_is_asked_for_besides_comes_besides(house: House) -> None:
    body = {"prompt": "grün", "size": "64x64", "seed": 3, "metadata": True, "latents": True}
    (item,) = house.client.post(ROUTE, json=body).json()["data"]
    (note,) = read_png(base64.b64decode(item["b64_json"])).notes
    assert json.loads(note.split(b"\0")[-1]) == {
        "prompt": "grün",
        "negative_prompt": "",
        "model": "acme/pictures",
        "seed": 3,
        "steps": 20,
        "guidance": 5.0,
        "scheduler": "dpm++",
    }
    assert item["latents_shape"] == [4, 8, 8]
    assert len(base64.b64decode(item["latents"])) == 2 * 4 * 8 * 8


def test_an_address_is_of_the_host_that_was_asked(house: House) -> None:
    body = {"prompt": "a", "size": "64x64", "response_format": "url"}
    (item,) = house.client.post(ROUTE, json=body).json()["data"]
    assert item["url"].startswith("http://images.test/v1/images/files/")
    file = house.client.get(item["url"])
    assert file.headers["content-type"] == "image/png"
    assert read_png(file.content).pixels.max() == 99
    assert house.client.get(item["url"] + "0").status_code == 404


def test_no_memory_is_said_with_the_numbers_and_the_next_is_served(house: House) -> None:
    full = house.client.post(ROUTE, json={"prompt": "a", "size": "2048x64"})
    assert full.status_code == 503
    assert full.headers["retry-after"] == "5"
    assert "1.00 GiB free of 8.00 GiB" in full.json()["error"]["message"]
    assert house.client.post(ROUTE, json={"prompt": "a", "size": "64x64"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 422, "out_of_bounds"),
        (b"", 400, "not_json"),
        (b" " * (MOST_BODY_BYTES + 1), 413, "body_too_long"),
        (b'{"prompt": "a", "model": "other"}', 404, "model_not_found"),
    ],
)
def test_bad_bodies_are_answered_in_openais_shape(
    body: bytes, status: int, code: str, house: House
) -> None:
    answer = house.client.post(ROUTE, content=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["code"] == code


def test_other_routes(house: House) -> None:
    client = house.client
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/v1/models").json()["data"][0]["id"] == "acme/pictures"
    assert client.get("/inspect").json() == {"family": "sdxl", "phases_s": {}}
    assert ROUTE in client.get("/openapi.json").json()["paths"]
    assert "image_server_images_total 0" in client.get("/metrics").text
    wrong = client.get(ROUTE)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert "does not take 'GET'" in wrong.json()["error"]["message"]
    assert client.get("/nowhere").json()["error"]["code"] == "no_such_route"


def test_before_it_is_ready_it_says_how_far_it_is() -> None:
    house = House(started=False)
    with house.starting.phase("load"):
        health = house.client.get("/health")
        asked = house.client.post(ROUTE, json={"prompt": "a"})
        inside = house.client.get("/inspect")
    house.shelf.close()
    assert (health.status_code, health.json()["phase"]) == (503, "load")
    for refused in (asked, inside):
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "starting")
        assert refused.headers["retry-after"]


def test_a_failed_accelerator_shows_in_health(house: House) -> None:
    house.worker.broken = True
    assert house.client.get("/health").status_code == 503
    assert house.client.post(ROUTE, json={"prompt": "a"}).status_code == 503


def test_what_nobody_foresaw_is_answered_in_openais_shape(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_data: bytes) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(house.shelf, "put", full)
    client = TestClient(house.client.app, raise_server_exceptions=False)
    body = {"prompt": "a", "size": "64x64", "response_format": "url"}
    answer = client.post(ROUTE, json=body)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("server_failed", "server_error")
    assert "No space left on device" in error["message"]
    assert client.post(ROUTE, json={"prompt": "a", "size": "64x64"}).status_code == 200
