"""What processes wrote comes back as one table, in order."""

from pathlib import Path

import pytest

from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.collect import read_samples
from paceline.adapters.load.openai_http.pace import Turn
from paceline.adapters.load.openai_http.recorder import DETAILS_KEPT, Recorder
from paceline.records.load import Route
from paceline.records.samples import Outcome, TokenSource
from paceline.testing.load import closed


def turn(serial: int, at_s: float) -> Turn:
    return Turn(
        serial=serial,
        occurrence=serial,
        row=closed(1).rows[0],
        stage=0,
        scheduled_s=at_s,
        allowed_s=at_s,
    )


def record(folder: Path, serials: list[int], *, chunks: int) -> Path:
    folder.mkdir()
    recorder = Recorder(folder)
    for serial in serials:
        answer = Answer(Route.CHAT)
        answer.status = 200
        answer.stamps = [serial + 0.1 + 0.01 * chunk for chunk in range(chunks)]
        recorder.add(
            turn(serial, float(serial)),
            answer,
            Outcome.OK,
            sent_s=serial + 0.001,
            end_s=serial + 0.5,
            output_tokens=chunks,
            token_source=TokenSource.USAGE,
        )
    recorder.close()
    return folder


def test_samples_of_several_processes_are_interleaved(tmp_path: Path) -> None:
    folders = [
        record(tmp_path / "a", [4, 0, 2], chunks=3),
        record(tmp_path / "b", [1, 3], chunks=2),
    ]
    table = read_samples(folders)
    assert table.index.tolist() == [0, 1, 2, 3, 4]
    assert [len(sample.chunk_s) for sample in table] == [3, 2, 3, 2, 3]
    for sample in table:
        assert sample.chunk_s[0] == pytest.approx(sample.index + 0.1, abs=1e-6)
        assert sample.chunk_s[1] == pytest.approx(sample.index + 0.11, abs=1e-6)
        assert sample.status == 200


def test_more_than_a_buffer_is_written_as_it_comes(tmp_path: Path) -> None:
    folder = record(tmp_path / "a", list(range(3000)), chunks=20)
    assert len(read_samples([folder])) == 3000


def test_a_request_that_was_never_sent_is_kept(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(
        turn(0, 1.0),
        None,
        Outcome.UNFINISHED,
        sent_s=None,
        end_s=9.0,
        output_tokens=None,
        token_source=TokenSource.UNKNOWN,
        detail="no room",
    )
    recorder.close()
    (sample,) = read_samples([tmp_path])
    assert (sample.sent_s, sample.outcome, sample.detail) == (None, Outcome.UNFINISHED, "no room")
    assert (sample.output_tokens, sample.status) == (None, None)


def test_details_do_not_grow_without_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for serial in range(DETAILS_KEPT + 100):
        recorder.add(
            turn(serial, float(serial)),
            None,
            Outcome.REFUSED,
            sent_s=None,
            end_s=9.0,
            output_tokens=None,
            token_source=TokenSource.UNKNOWN,
            detail="refused",
        )
    recorder.close()
    table = read_samples([tmp_path])
    assert (len(table), len(table.details)) == (DETAILS_KEPT + 100, DETAILS_KEPT)
