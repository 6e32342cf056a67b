"""Raw samples by the column keep what the records say, also when stored."""

import io

import numpy as np
import pytest

from paceline.records.samples import (
    Outcome,
    RequestSample,
    TokenSource,
    pack,
    table_of,
    unpack,
)

GOOD = RequestSample(
    index=1,
    scheduled_s=0.5,
    sent_s=0.5001,
    chunk_s=(0.6001, 0.6201, 0.6401),
    end_s=0.6402,
    input_tokens=10,
    output_tokens=3,
    outcome=Outcome.OK,
    status=200,
    stage=1,
    session=4,
    turn=2,
    token_source=TokenSource.USAGE,
)
NEVER_SENT = RequestSample(
    index=0,
    scheduled_s=0.1,
    sent_s=None,
    chunk_s=(),
    end_s=2.0,
    input_tokens=None,
    output_tokens=None,
    outcome=Outcome.UNFINISHED,
    detail="due, but not sent",
)


def test_rows_come_back_in_order_of_their_schedule() -> None:
    table = table_of([GOOD, NEVER_SENT])
    first, second = list(table)
    assert first == NEVER_SENT
    assert second.chunk_s == pytest.approx(GOOD.chunk_s, abs=1e-6)
    assert (second.session, second.turn, second.token_source) == (4, 2, TokenSource.USAGE)


def test_stored_samples_are_the_same_and_so_are_their_bytes() -> None:
    table = table_of([GOOD, NEVER_SENT])
    packed = pack(table)
    assert list(unpack(packed)) == list(table)
    assert pack(unpack(packed)) == packed
    assert packed != pack(table_of([GOOD]))


def test_nothing_can_be_stored_too() -> None:
    assert list(unpack(pack(table_of([])))) == []


def test_a_selection_keeps_its_chunks_and_details() -> None:
    table = table_of([GOOD, NEVER_SENT])
    kept = table.select(np.array([False, True]))
    assert list(kept) == [table.row(1)]
    dropped = table.select(np.array([True, False]))
    assert dropped.row(0).detail == "due, but not sent"


def test_another_schema_version_is_refused() -> None:
    archive = dict(np.load(io.BytesIO(pack(table_of([GOOD])))))
    archive["schema_version"] = np.array(99)
    data = io.BytesIO()
    np.savez(data, **archive)
    with pytest.raises(ValueError, match="99"):
        unpack(data.getvalue())
