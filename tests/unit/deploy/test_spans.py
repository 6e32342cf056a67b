from dataclasses import replace

import pytest

from paceline.deploy.gateway.trace_context import span_id
from paceline.deploy.spans import spans_of
from paceline.records.gateway import Ended, UsageLine
from paceline.testing.access import NOON_S, a_line

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WAITED = replace(
    a_line(),
    at_s=NOON_S + 10.0,
    cold_s=4.0,
    queue_s=1.0,
    execution_s=2.0,
    ttft_s=5.5,
    trace_parent=f"00-{TRACE}-{PARENT}-01",
)


def test_a_request_is_a_span_with_its_waits_and_its_execution_below() -> None:
    request, *parts = spans_of(WAITED)
    assert (request.trace_id, request.parent_id) == (TRACE, PARENT)
    assert request.span_id == span_id(b"r1").decode(), "what the engine was told is its parent"
    assert (request.start_s, request.end_s) == (NOON_S + 3.0, NOON_S + 10.0)
    assert (request.name, request.entry, request.failed) == ("chat demo", True, False)
    assert [(one.name, one.start_s - NOON_S, one.end_s - NOON_S) for one in parts] == [
        ("cold start", 3.0, 7.0),
        ("queue", 7.0, 8.0),
        ("execution", 8.0, 10.0),
    ]
    assert {one.parent_id for one in parts} == {request.span_id}
    assert len({one.span_id for one in (request, *parts)}) == 4


def test_it_says_what_was_used_and_by_whom() -> None:
    said = dict(spans_of(WAITED)[0].attributes)
    assert said["gen_ai.usage.output_tokens"] == 20
    assert said["paceline.ttft_s"] == 5.5
    assert (said["paceline.key"], said["paceline.replica"]) == ("k1", "demo-1")
    assert said["http.response.status_code"] == 200


def test_a_request_without_a_trace_begins_one_of_its_own() -> None:
    own = replace(WAITED, trace_parent=None)
    request = spans_of(own)[0]
    assert (len(request.trace_id), request.parent_id) == (32, None)
    assert spans_of(own) == spans_of(own)
    assert spans_of(replace(own, at_s=1.0))[0].trace_id != request.trace_id, "ids may come again"


@pytest.mark.parametrize(
    "line",
    [
        replace(WAITED, ended=Ended.BEGAN),
        replace(WAITED, trace_parent=f"00-{TRACE}-{PARENT}-00"),
    ],
)
def test_what_only_began_or_is_not_sampled_is_left_out(line: UsageLine) -> None:
    assert spans_of(line) == ()


def test_a_failure_is_marked_where_it_happened() -> None:
    failed = {one.name for one in spans_of(replace(WAITED, ended=Ended.FAILED)) if one.failed}
    assert failed == {"chat demo", "execution"}
    refused = replace(
        WAITED, ended=Ended.REFUSED, replica_id=None, execution_s=0.0, cold_s=0.0, queue_s=0.0
    )
    assert [one.name for one in spans_of(refused)] == ["chat demo"]
