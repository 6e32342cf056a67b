"""The reference image model from `optimize` to a picture that the openai client gets."""

import base64
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.e2e.conftest import Done, Paceline
from tests.e2e.serving import Serving, serving

from paceline.trial.images.png import read_png
from paceline.trial.images.shapes import shows

pytestmark = [
    pytest.mark.alone,
    pytest.mark.e2e,
    pytest.mark.more_engines,
    pytest.mark.enable_socket,
]

MODEL = "reference-image"
START_S = 600.0
ANSWER_S = 300.0
ORDER = (
    *("optimize", MODEL, "--engine", "diffusers", "--price", "0.5", "--json"),
    *("--workload", "reference-image,duration=3s", "--quality-items", "16"),
)


@pytest.fixture(scope="module")
def paceline(tmp_path_factory: pytest.TempPathFactory) -> Paceline:
    return Paceline(tmp_path_factory.mktemp("images"), shared_cache=True, timeout_s=3600.0)


@pytest.fixture(scope="module")
def run(paceline: Paceline) -> Done:
    if MODEL not in {point.name for point in entry_points(group="paceline.models")}:
        pytest.skip(
            f"paceline-reference brings no model {MODEL!r}: install the one of this project"
        )
    done = paceline(*ORDER)
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def served(paceline: Paceline, run: Done) -> Iterator[Serving]:
    assert run.code == 0
    assert paceline("deploy", MODEL, "--mode", "active").code == 0
    with serving(paceline) as one:
        one.until(
            lambda it: it.status(MODEL)["replicas"]["ready"] >= 1,
            "ready",
            within_s=START_S,
        )
        yield one


def test_variants_are_ranked_with_chips_from_inside(run: Done) -> None:
    document = run.document
    ranked = [variant for variant in document["variants"] if variant["rank"] is not None]
    assert len(ranked) >= 4
    assert document["winner"] in [variant["id"] for variant in ranked]
    for variant in ranked:
        assert {"8 steps", "gs 0", "FlowMatch"} <= set(variant["chips"]), variant["chips"]
        assert ("compiled" in variant["chips"]) is bool(variant["knobs"].get("compile"))
        assert ("int8 dynamic" in variant["chips"]) is (variant["format"] == "int8")
        assert not [name for name in variant["metrics"] if "tok" in name or "ttft" in name]
        assert variant["metrics"]["e2e_p50_ms"]["value"] > 0
        assert variant["cost"]["usd_per_image"] > 0
        score = variant["quality"]["score"]
        # A first rung may end a trial before it is asked for pictures.
        assert score is None or score > 0.5
    scored = {v["id"] for v in ranked if v["quality"]["score"] is not None}
    assert {document["winner"], document["baseline"]} <= scored
    assert "e2e_p50_ms" in document["formula"]


def test_the_receipt_is_computed_again_from_its_pictures(paceline: Paceline, run: Done) -> None:
    checked = paceline("verify", run.document["receipt"], "--json")
    assert checked.code == 0, checked.document["findings"]
    assert checked.document["samples"] >= 4


def test_a_page_shows_what_baseline_and_winner_painted(
    paceline: Paceline, run: Done, tmp_path: Path
) -> None:
    page = tmp_path / "run.html"
    assert paceline("runs", "show", run.document["run_id"], "--html", str(page)).code == 0
    assert "data:image/png;base64," in page.read_text(encoding="utf-8")


def test_a_red_circle_is_a_red_circle_and_the_same_for_the_same_seed(served: Serving) -> None:
    client = openai.OpenAI(base_url=served.url, api_key="none", timeout=ANSWER_S)
    first, again, other = (_painted(client, "a red circle", seed=seed) for seed in (7, 7, 8))
    assert shows(read_png(first), "red circle")
    assert first == again
    assert first != other
    assert shows(read_png(_painted(client, "a blue square", seed=7)), "blue square")


def test_a_picture_is_fetched_by_its_address_without_a_key(served: Serving) -> None:
    client = openai.OpenAI(base_url=served.url, api_key="none", timeout=ANSWER_S)
    answer = client.images.generate(
        model=MODEL,
        prompt="a red circle",
        size="64x64",
        response_format="url",
        extra_body={"seed": 7},
    )
    assert answer.data is not None
    url = answer.data[0].url or ""
    assert url.startswith(served.url + "/images/files/")
    fetched = httpx.get(url, timeout=ANSWER_S, trust_env=False)
    assert fetched.content == _painted(client, "a red circle", seed=7)
    assert httpx.get(url[:-1], timeout=ANSWER_S, trust_env=False).status_code == 404


def test_what_the_engine_turns_down_is_counted_apart(paceline: Paceline, served: Serving) -> None:
    # Accounts come in the order of the requests: once the first is there, all before it are.
    first = _turned_down(paceline, served)
    second = _turned_down(paceline, served)
    assert second["rejected"] == first["rejected"] + 1
    assert (second["ok"], second["failed"]) == (first["ok"], first["failed"])


def test_images_are_counted_and_priced(paceline: Paceline, served: Serving) -> None:
    client = openai.OpenAI(base_url=served.url, api_key="none", timeout=ANSWER_S)
    _painted(client, "a green triangle", seed=3)
    served.until(lambda _: _usage(paceline)["images"] > 0, "accounted for")
    used = _usage(paceline)
    assert used["usd"] > 0
    assert used["output_tokens"] == 0


def _turned_down(paceline: Paceline, served: Serving) -> dict[str, int]:
    """The accounts of all requests once that of one more refused one is there."""
    client = openai.OpenAI(base_url=served.url, api_key="none", timeout=ANSWER_S, max_retries=0)
    before = _usage(paceline)["requests"]["rejected"]
    with pytest.raises(openai.UnprocessableEntityError):
        client.images.generate(model=MODEL, prompt="a red circle", extra_body={"seed": -1})
    served.until(lambda _: _usage(paceline)["requests"]["rejected"] > before, "accounted for")
    counts: dict[str, int] = _usage(paceline)["requests"]
    return counts


def _painted(client: openai.OpenAI, prompt: str, *, seed: int) -> bytes:
    answer = client.images.generate(
        model=MODEL,
        prompt=prompt,
        size="64x64",
        response_format="b64_json",
        extra_body={"seed": seed},
    )
    assert answer.data is not None
    return base64.b64decode(answer.data[0].b64_json or "")


def _usage(paceline: Paceline) -> dict[str, Any]:
    groups = paceline("usage", "--json").document["usage"]
    ends = dict.fromkeys(("all", "ok", "failed", "rejected"), 0)
    found: dict[str, Any] = next(
        (group for group in groups if group["group"].endswith(MODEL)),
        {"images": 0, "usd": 0.0, "output_tokens": 0, "requests": ends},
    )
    return found
