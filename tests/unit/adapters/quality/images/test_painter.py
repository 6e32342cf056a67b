"""Asking for pictures: what is sent, what is kept, what fails."""

import base64
import itertools
import json
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.adapters.quality.images import ImageEvaluator
from paceline.records.image import ImageLoad, Sampler
from paceline.records.load import Target
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityProgress,
    QualityResult,
    Reply,
    Scorer,
    StopCause,
    Stopped,
    Suite,
)
from paceline.testing.builders import an_item
from paceline.testing.pictures import drawn, write_png
from paceline.testing.quality import PlainGrader

TARGET = Target(base_url="http://127.0.0.1:1", model="pictures", api_key="secret")
LOAD = ImageLoad(width_px=64, height_px=32, steps=4, guidance=0.0, scheduler=Sampler.EULER)


def _item(number: int, scorer: Scorer = Scorer.PICTURE) -> Item:
    return an_item(
        f"p{number}" + ("/content" if scorer is Scorer.SHOWS else ""),
        category=scorer.value,
        question=f"picture {number}",
        scorer=scorer,
        answer="red circle",
        seed=number,
    )


SUITE = Suite(
    name="pictures",
    version="1",
    sha256="0",
    items=tuple(_item(n, s) for n in range(4) for s in (Scorer.PICTURE, Scorer.SHOWS)),
)


class _Painter:
    """Draws what a request's seed asks for; notes every body."""

    def __init__(self, *, broken: dict[int, httpx.Response] | None = None) -> None:
        self.bodies: list[dict[str, object]] = []
        self.broken = broken or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/images/generations"
        assert request.headers["authorization"] == "Bearer secret"
        body = json.loads(request.content)
        self.bodies.append(body)
        if body["seed"] in self.broken:
            return self.broken[body["seed"]]
        png = write_png(drawn(body["seed"]))
        return httpx.Response(200, json={"data": [{"b64_json": base64.b64encode(png).decode()}]})


def _evaluate(
    folder: Path, painter: _Painter, *, twice: bool = False, concurrency: int = 2, **how: object
) -> QualityResult:
    evaluator = ImageEvaluator(
        FolderArchive(folder), load=LOAD, twice=twice, transport=httpx.MockTransport(painter)
    )
    return evaluator.evaluate(
        TARGET,
        SUITE,
        grader=PlainGrader(),
        seed=5,
        concurrency=concurrency,
        **how,  # type: ignore[arg-type]
    )


def test_items_of_one_picture_share_it(tmp_path: Path) -> None:
    painter = _Painter()
    result = _evaluate(tmp_path, painter)
    assert sorted(body["seed"] for body in painter.bodies) == [0, 1, 2, 3]  # type: ignore[type-var]
    answers = {score.item_id: score.answer for score in result.items}
    assert answers["p2"] == answers["p2/content"] != answers["p1"]
    assert (tmp_path / answers["p2"]).read_bytes() == write_png(drawn(2))


def test_sends_what_the_load_asks_for(tmp_path: Path) -> None:
    painter = _Painter()
    _evaluate(tmp_path, painter)
    body = next(body for body in painter.bodies if body["seed"] == 3)
    assert body == {
        "model": "pictures",
        "prompt": "picture 3",
        "size": "64x32",
        "n": 1,
        "response_format": "b64_json",
        "latents": True,
        "num_inference_steps": 4,
        "guidance_scale": 0.0,
        "scheduler": "euler",
        "seed": 3,
    }


def test_a_baseline_is_asked_twice(tmp_path: Path) -> None:
    painter = _Painter()
    result = _evaluate(tmp_path, painter, twice=True)
    assert len(painter.bodies) == 8
    assert all(score.earlier == (score.answer,) for score in result.items)


def _telling(latents: object, shape: object) -> dict[str, object]:
    png = base64.b64encode(write_png(drawn(0))).decode()
    return {"b64_json": png, "latents": latents, "latents_shape": shape}


class _Replies(PlainGrader):
    """Keeps the replies that it is asked to mark."""

    def __init__(self) -> None:
        self.seen: list[Reply] = []

    def grade(self, item: Item, reply: Reply) -> ItemScore:
        self.seen.append(reply)
        return super().grade(item, reply)


def test_latents_are_kept_with_their_shape_this_picture_first(tmp_path: Path) -> None:
    floats = np.arange(8, dtype="<f2")
    counted = itertools.count()

    def answer(_request: httpx.Request) -> httpx.Response:
        told = base64.b64encode((floats + next(counted)).tobytes()).decode()
        return httpx.Response(200, json={"data": [_telling(told, [2, 2, 2])]})

    grader, suite = _Replies(), replace(SUITE, items=SUITE.items[:1])
    evaluator = ImageEvaluator(
        FolderArchive(tmp_path), load=LOAD, twice=True, transport=httpx.MockTransport(answer)
    )
    evaluator.evaluate(TARGET, suite, grader=grader, seed=1, concurrency=1)
    own, earlier = (np.load(tmp_path / path) for path in grader.seen[0].latents)
    assert own.shape == (2, 2, 2)
    assert (earlier.flat[0], own.flat[0]) == (0, 1)


@pytest.mark.parametrize(
    ("latents", "shape"), [("%%", [2]), ("AAAA", [2]), ("AAA=", [7]), ("AAA=", "1"), (7, [1])]
)
def test_latents_that_are_none_are_no_answer(
    tmp_path: Path, latents: object, shape: object
) -> None:
    broken = {0: httpx.Response(200, json={"data": [_telling(latents, shape)]})}
    result = _evaluate(tmp_path, _Painter(broken=broken))
    assert [score.item_id for score in result.items if score.error] == ["p0", "p0/content"]


def test_failures_are_errors_and_the_rest_goes_on(tmp_path: Path) -> None:
    broken = {
        0: httpx.Response(503, json={"error": {"message": "no memory"}}),
        1: httpx.Response(200, json={"data": [{"b64_json": "%%%"}]}),
        2: httpx.Response(200, json={"data": []}),
    }
    result = _evaluate(tmp_path, _Painter(broken=broken))
    errors = {score.item_id: score.error or "" for score in result.items}
    assert errors["p0"].startswith("HTTP 503")
    assert "not an OpenAI-shaped answer" in errors["p1"]
    assert "not an OpenAI-shaped answer" in errors["p2/content"]
    assert errors["p3"] == ""


def test_a_rule_ends_the_asking_and_sees_the_order_of_the_suite(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def rule(scores: list[ItemScore]) -> Stopped | None:
        seen.append([score.item_id for score in scores])
        return Stopped(cause=StopCause.CLEAR, because="enough") if len(scores) == 3 else None

    result = _evaluate(tmp_path, _Painter(), stop=rule)
    order = [item.item_id for item in SUITE.asking_order(5)]
    assert seen == [order[:1], order[:2], order[:3]]
    assert result.stopped is not None
    assert len(result.items) == 3


def test_reports_progress(tmp_path: Path) -> None:
    reports: list[QualityProgress] = []
    _evaluate(tmp_path, _Painter(), on_progress=reports.append)
    assert [report.answered for report in reports] == list(range(1, 9))
    assert {report.total for report in reports} == {8}


def test_a_concurrency_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 < 1"):
        _evaluate(tmp_path, _Painter(), concurrency=0)
