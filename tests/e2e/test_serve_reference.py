"""A version of the trained model on a real engine, from `deploy` to a streamed answer."""

import json
from pathlib import Path

import httpx
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import chat_body, plant_version, serving

from paceline.testing.builders import a_variant

pytestmark = [pytest.mark.e2e, pytest.mark.engines, pytest.mark.enable_socket]


def test_a_real_engine_is_deployed_and_answers_a_streamed_chat(tmp_path: Path) -> None:
    paceline = Paceline(tmp_path, shared_cache=True)
    plant_version(paceline, "reference", a_variant("openvino", "int8"))
    assert paceline("deploy", "demo").code == 0
    with serving(paceline) as one:
        body = {**chat_body(16, stream=True), "stream_options": {"include_usage": True}}
        texts: list[str] = []
        usage = None
        with httpx.stream(
            "POST", f"{one.url}/chat/completions", json=body, timeout=100.0
        ) as answer:
            assert answer.status_code == 200, "held while the engine starts"
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    chunk = json.loads(line.removeprefix("data: "))
                    usage = chunk.get("usage") or usage
                    texts += [c["delta"].get("content") or "" for c in chunk["choices"]]
        assert "".join(texts).strip()
        assert usage is not None
        assert usage["completion_tokens"] == 16
        # What it answered with may be written down a moment later.
        one.until(lambda it: it.status()["replica_list"][0]["state"] == "serving", "serving")
        (replica,) = one.status()["replica_list"]
        assert replica["cold_start"]["engine_s"] > 0.1
        assert replica["cold_start"]["warmup_s"] > 0
