"""What every engine that makes pictures must do. Subclass `ImageEngineContract`.

Declarations are those of any engine; the program is started once per class and asked for pictures
of 64 x 64 pixels. Nothing here is about speed or about what is to be seen.
"""

import base64
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from paceline.ports.engine import MakesImages, why_refused
from paceline.ports.executor import Executor, Server
from paceline.records.image import ImageFacts
from paceline.testing.builders import a_cpu, a_model
from paceline.testing.engines import Bench, EngineDeclarations, Kept
from paceline.testing.executors import until

ANSWER_TIMEOUT_S: Final = 120.0
ROUTE: Final = "/v1/images/generations"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_NOTES: Final = (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME")
_CHANNELS: Final = 3
_RUNNING: Final = "image_server_images_running"
_MADE: Final = "image_server_images_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file, taken apart: `pixels` are `[height, width, 3]` bytes."""

    pixels: NDArray[np.uint8]
    notes: tuple[bytes, ...]


def read_png(data: bytes) -> Picture:
    """An 8-bit RGB picture without interlacing; every checksum is checked (PNG, 3rd edition)."""
    assert data.startswith(_SIGNATURE)
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (sum_,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + body) == sum_, kind
        chunks.append((kind, body))
        at += 12 + length
    assert chunks[0][0] == b"IHDR"
    assert chunks[-1] == (b"IEND", b"")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, colour, interlace) == (8, 2, 0)
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    notes = tuple(body for kind, body in chunks if kind in _NOTES)
    return Picture(pixels=_unfiltered(raw, width, height), notes=notes)


def _unfiltered(raw: bytes, width: int, height: int) -> NDArray[np.uint8]:
    lines = np.frombuffer(raw, dtype=np.uint8).reshape(height, 1 + width * _CHANNELS)
    done = np.zeros((height, width * _CHANNELS), dtype=np.int32)
    above = np.zeros(width * _CHANNELS, dtype=np.int32)
    for row, line in enumerate(lines.astype(np.int32)):
        kind, found = line[0], line[1:].copy()
        for at in range(len(found)):
            left = found[at - _CHANNELS] if at >= _CHANNELS else 0
            corner = above[at - _CHANNELS] if at >= _CHANNELS else 0
            found[at] = (found[at] + _guess(kind, left, above[at], corner)) % 256
        done[row] = above = found
    return done.astype(np.uint8).reshape(height, width, _CHANNELS)


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 4:  # Paeth: whichever neighbour is nearest to left + above - corner
        base = left + above - corner
        return min((left, above, corner), key=lambda near: abs(base - near))
    return (0, left, above, (left + above) // 2)[kind]


class Easel:
    """Asks one server for pictures."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = httpx.Client(
            base_url=server.base_url, timeout=ANSWER_TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> "Easel":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(self, **changed: Any) -> httpx.Response:
        """One answer."""
        return self.client.post(ROUTE, json=self.body(**changed))

    def body(self, **changed: Any) -> dict[str, Any]:
        """A request body."""
        return {
            "model": self.server.spec.model_name,
            "prompt": "a red circle",
            "size": "64x64",
            "seed": 5,
            **changed,
        }

    def paint(self, **changed: Any) -> list[Picture]:
        """The pictures of one answer."""
        answer = self.ask(**changed)
        assert answer.status_code == 200, answer.text
        return [read_png(base64.b64decode(item["b64_json"])) for item in answer.json()["data"]]

    def facts(self) -> Mapping[str, Any]:
        """What the server finds in itself."""
        found: Mapping[str, Any] = self.client.get("/inspect").json()
        return found

    def number(self, name: str) -> float:
        """One number of the metrics page."""
        lines = self.client.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    @contextmanager
    def asking(self, **changed: Any) -> Iterator[None]:
        """Asked, and at the end the connection is closed whatever has come."""
        body = json.dumps(self.body(**changed)).encode()
        head = f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.spec.port)) as connection:
            connection.sendall(head.encode() + body)
            yield

    def leave(self, after_s: float, **changed: Any) -> None:
        """Ask, and close the connection that long after."""
        with self.asking(**changed):
            time.sleep(after_s)


class ImageEngineContract(EngineDeclarations):
    """An engine that makes pictures: its declarations and its program."""

    @pytest.fixture(scope="class")
    @classmethod
    def kept(
        cls, bench: Bench, executor: Executor, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Kept[Easel]]:
        """The server that the class shares."""
        kept = Kept(bench, executor, tmp_path_factory.mktemp("logs"), Easel)
        yield kept
        kept.stop()

    @pytest.fixture
    def easel(self, kept: Kept[Easel]) -> Easel:
        """A running server, shared by the class."""
        return kept.client()

    def test_language_models_are_not_for_it(self, bench: Bench) -> None:
        engine = bench.engine
        assert isinstance(engine, MakesImages)
        assert engine.pipelines()
        refusal = why_refused(engine, a_model(), a_cpu(), engine.formats()[0])
        assert refusal is not None
        assert "is a language model" in refusal

    @pytest.mark.enable_socket
    def test_answers_with_a_picture_of_the_size_asked_for(self, easel: Easel) -> None:
        answer = easel.ask(size="64x128").json()
        assert (answer["width"], answer["height"], answer["seed"]) == (64, 128, 5)
        assert answer["model"] == easel.server.spec.model_name
        assert answer["inference_ms"] > 0
        assert abs(answer["created"] - time.time()) < ANSWER_TIMEOUT_S
        (picture,) = [read_png(base64.b64decode(item["b64_json"])) for item in answer["data"]]
        assert picture.pixels.shape == (128, 64, 3)
        assert picture.notes == ()

    @pytest.mark.enable_socket
    def test_a_seed_is_a_picture(self, easel: Easel) -> None:
        first, again, other = (easel.ask(seed=seed).json()["data"] for seed in (5, 5, 6))
        assert first == again
        assert first != other

    @pytest.mark.enable_socket
    def test_several_pictures_have_seeds_in_a_row(self, easel: Easel) -> None:
        pair = easel.paint(seed=5, n=2)
        alone = [*easel.paint(seed=5), *easel.paint(seed=6)]
        assert len(pair) == 2
        for together, single in zip(pair, alone, strict=True):
            # Sums in another order move a value by a step or two, never a picture.
            apart = together.pixels.astype(int) - single.pixels.astype(int)
            assert np.abs(apart).mean() < 2.0

    @pytest.mark.enable_socket
    def test_a_seed_is_chosen_and_told_where_none_is_asked_for(self, easel: Easel) -> None:
        told = [easel.ask(seed=None).json()["seed"] for _ in range(2)]
        assert told[0] != told[1]
        assert all(0 <= seed < 2**31 for seed in told)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("size", "63x64"), ("n", 5), ("seed", -1), ("num_inference_steps", 51), ("prompt", "")],
    )
    @pytest.mark.enable_socket
    def test_out_of_bounds_is_a_422_that_names_the_field(
        self, field: str, value: object, easel: Easel
    ) -> None:
        answer = easel.ask(**{field: value})
        assert answer.status_code == 422
        assert answer.json()["error"]["param"] == field

    @pytest.mark.enable_socket
    def test_refuses_another_models_name(self, easel: Easel) -> None:
        assert easel.ask(model="no-such-model").status_code == 404
        assert easel.ask().status_code == 200

    @pytest.mark.enable_socket
    def test_shows_what_is_inside(self, easel: Easel) -> None:
        easel.ask()
        found = easel.facts()
        assert set(found) == {field.name for field in fields(ImageFacts)}
        facts = ImageFacts(**found)
        assert facts.linears > 0
        assert facts.steps > 0
        assert facts.compiled_calls + facts.eager_calls >= facts.steps
        assert set(facts.phases_s) <= {"import", "load", "quantize", "compile", "warmup"}
        assert all(seconds >= 0 for seconds in facts.phases_s.values())

    @pytest.mark.enable_socket
    def test_a_client_that_leaves_does_no_harm(self, easel: Easel) -> None:
        easel.leave(0.05, n=4)
        assert easel.ask().status_code == 200

    @pytest.mark.enable_socket
    def test_sigterm_lets_what_is_in_flight_finish(self, easel: Easel, kept: Kept[Easel]) -> None:
        answers: list[int] = []

        def read() -> None:
            with Easel(easel.server) as own:
                answers.append(own.ask(n=4).status_code)

        # What was answered last is over a moment later.
        assert until(lambda: not easel.number(_RUNNING))
        made = easel.number(_MADE)
        reader = threading.Thread(target=read)
        reader.start()
        # Begun, or finished already: a picture is counted before its batch is over.
        assert until(lambda: easel.number(_RUNNING) > 0 or easel.number(_MADE) != made)
        kept.stop()
        reader.join()
        assert answers == [200]
