import orjson
import pytest

from paceline.deploy.gateway.wire import METRICS_LINE, read_said, read_told, said_line, table_line
from paceline.records.gateway import (
    Ended,
    EndpointPulse,
    Pulse,
    ReplicaPulse,
    Starting,
    Table,
    UnknownParameters,
    Wake,
)
from paceline.records.serial import Malformed
from paceline.testing.gateway import endpoint, key_rule, replica

TABLE = Table(
    revision=3,
    endpoints=(
        endpoint(
            replica("http://127.0.0.1:1", share=0.05, draining=True),
            aliases=("other",),
            unknown_parameters=UnknownParameters.DROP,
            starting=Starting(phase="weights", progress=0.5, eta_s=3.0, at_s=1.0),
        ),
    ),
    keys=(key_rule(endpoints=("demo",), budget_left_usd=1.5),),
)
PULSE = Pulse(
    revision=3,
    at_s=2.0,
    endpoints=(
        EndpointPulse(
            name="demo",
            in_flight=1,
            queued=2,
            oldest_wait_s=0.5,
            arrivals=3,
            ended=((Ended.OK, 2),),
            waits_s=(0.1,),
            ttft_s=((1, 0.2),),
        ),
    ),
    replicas=(ReplicaPulse(replica_id="r1", in_flight=1, ejected=False, idle_s=0.0),),
)


def test_a_table_arrives_as_it_was_sent() -> None:
    assert read_told(table_line(TABLE)) == TABLE
    assert read_told(METRICS_LINE) is None


@pytest.mark.parametrize("said", [PULSE, Wake(endpoint="demo", at_s=1.0), "# a page\n"])
def test_what_the_gateway_says_arrives_as_it_was_said(said: Pulse | Wake | str) -> None:
    line = said_line(said)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert read_said(line) == said


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"a":1,"b":2}', b'{"other":1}', b'{"table":{}}', b'{"pulse":1}']
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        read_told(line)
    with pytest.raises(Malformed):
        read_said(line)


def test_a_line_is_json_for_other_readers() -> None:
    assert orjson.loads(said_line(PULSE))["pulse"]["endpoints"][0]["ended"] == [["ok", 2]]
