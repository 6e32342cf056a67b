"""A request followed from its client through the gateway to the collector."""

from pathlib import Path

import httpx
import pytest
from tests.collector import collecting
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, chat_body, plant_version, serving

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.enable_socket]

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_streamed_request_is_in_its_clients_trace(paceline: Paceline, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1").code == 0
    with collecting() as collector:
        with serving(paceline, "--traces", collector.url) as one:
            one.heard("serves after")
            answer = httpx.post(
                f"{one.url}/chat/completions",
                json=chat_body(5, stream=True),
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
                timeout=WITHIN_S,
            )
            assert answer.status_code == 200
        spans = [span for _, span in collector.spans if span.trace_id.hex() == TRACE]
    request, *parts = spans
    assert (request.name, request.parent_span_id.hex()) == ("chat demo", PARENT)
    assert "execution" in {span.name for span in parts}
    said = {one.key: one.value for one in request.attributes}
    assert said["gen_ai.usage.output_tokens"].int_value == 5
    assert 0 < said["paceline.ttft_s"].double_value < 30


def test_without_a_collector_serving_goes_on(paceline: Paceline, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1").code == 0
    with serving(paceline, "--traces", "http://127.0.0.1:9") as one:
        one.heard("serves after")
        assert one.ask().status_code == 200
    (total,) = paceline("usage", "--json").document["usage"]
    assert total["requests"]["ok"] == 1
