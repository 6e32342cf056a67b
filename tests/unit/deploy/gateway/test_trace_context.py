import pytest

from paceline.deploy.gateway.trace_context import for_engine, span_id, trace_parent

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GIVEN = b"00-%b-%b-01" % (TRACE, SPAN)


def test_a_traceparent_is_taken_as_it_came() -> None:
    assert trace_parent(GIVEN) == GIVEN


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", b"00", GIVEN + b"-more", GIVEN.upper(), GIVEN.replace(b"00-", b"ff-", 1)),
        *(b"00-%b-%b-01" % (b"0" * 32, SPAN), b"00-%b-%b-01" % (TRACE, b"0" * 16)),
        GIVEN + b"\r\nx: y",
    ],
)
def test_one_that_is_none_is_left_out(bad: bytes) -> None:
    assert trace_parent(bad) is None


def test_the_engine_is_told_of_the_request_as_its_parent() -> None:
    told = for_engine(GIVEN, b"req_1")
    assert told == b"00-%b-%b-01" % (TRACE, span_id(b"req_1"))
    assert trace_parent(told) == told
    assert span_id(b"req_1") != span_id(b"req_2")
