"""Spans as a collector gets them, by OTLP over HTTP."""

from dataclasses import replace

import pytest
from tests.collector import collecting

from paceline.adapters.traces.otlp import OtlpSink
from paceline.app.traces import open_traces
from paceline.deploy.spans import spans_of
from paceline.errors import SpecError
from paceline.records.gateway import Ended
from paceline.testing.access import a_line

pytestmark = pytest.mark.enable_socket

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_spans_arrive_with_their_parents_times_and_attributes() -> None:
    line = replace(a_line(), queue_s=0.5, trace_parent=f"00-{TRACE}-{PARENT}-01")
    with collecting() as collector:
        sink = open_traces(collector.url)
        sink.take(spans_of(line))
        sink.take(spans_of(replace(line, request_id="r2", ended=Ended.FAILED)))
        sink.close()
    assert collector.service == "paceline"
    assert {path for path, _ in collector.spans} == {"/v1/traces"}
    spans = [span for _, span in collector.spans]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert [span.name for span in spans] == ["chat demo", "queue", "execution"] * 2
    request, queue, execution = spans[:3]
    assert (request.parent_span_id.hex(), queue.parent_span_id) == (PARENT, request.span_id)
    assert request.end_time_unix_nano - request.start_time_unix_nano == 2_500_000_000
    assert execution.end_time_unix_nano == request.end_time_unix_nano
    said = {one.key: one.value for one in request.attributes}
    assert said["gen_ai.usage.output_tokens"].int_value == 20
    assert [span.status.code for span in spans] == [0, 0, 0, 2, 0, 2]


def test_a_path_that_is_given_is_kept() -> None:
    with collecting() as collector:
        sink = OtlpSink(f"{collector.url}/otlp/traces")
        sink.take(spans_of(a_line()))
        sink.close()
    assert {path for path, _ in collector.spans} == {"/otlp/traces"}


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://here", "http://"])
def test_what_is_no_url_is_one_clear_error(url: str) -> None:
    with pytest.raises(SpecError, match="is no URL of a collector"):
        OtlpSink(url)
