import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from paceline.deploy.gateway import spool as module
from paceline.deploy.gateway.fleet import Replica
from paceline.deploy.gateway.limits import KeyMeter
from paceline.deploy.gateway.routes import CHAT, Route
from paceline.deploy.gateway.served import Served
from paceline.deploy.gateway.spool import Spool
from paceline.deploy.gateway.spool_reader import Position, read_spool
from paceline.deploy.gateway.sse import Counts
from paceline.records.gateway import Ended, EndpointRoute, UsageLine
from paceline.testing.gateway import endpoint, key_rule, replica

ENDPOINT = endpoint(name='a "quoted" name')


@dataclass
class _Account:
    request_id: bytes = b"request-1"
    meter: KeyMeter | None = None
    route: Route = CHAT
    replica: Replica | None = None
    queue_s: float = 0.25
    cold_s: float = 0.5
    ttft_s: float | None = None
    failed_version: int | None = None
    trace_parent: bytes | None = None
    served_by: EndpointRoute = ENDPOINT


def account(**said: Any) -> Served:
    """A request as far as its account is concerned."""
    return cast("Served", _Account(**said))


def read(folder: Path) -> tuple[UsageLine, ...]:
    return read_spool(folder, Position(), max_lines=1_000_000).lines


def test_lines_say_what_happened_and_can_be_read_while_the_file_is_open(tmp_path: Path) -> None:
    spool = Spool(tmp_path, wall_s=lambda: 12.5)
    served = account(
        meter=KeyMeter(key_rule(), 0.0), replica=Replica(replica("http://h:1", version=7), 0.0, 0.0)
    )
    spool.began(served)
    served.failed_version = 6
    spool.began(served)
    spool.ended(served, 200, Ended.OK, Counts(5, 3), 1.5, images=2)
    began, moved, ended = read(tmp_path)
    assert (began.ended, began.status, began.replica_id) == (Ended.BEGAN, 0, "r1")
    assert moved == replace(began, ended=Ended.MOVED, failed_version=6)
    assert ended == UsageLine(
        request_id="request-1",
        at_s=12.5,
        workspace="main",
        endpoint='a "quoted" name',
        version=7,
        replica_id="r1",
        key_id=key_rule().key_id,
        route=CHAT.path,
        status=200,
        ended=Ended.OK,
        queue_s=0.25,
        cold_s=0.5,
        execution_s=1.5,
        input_tokens=5,
        output_tokens=3,
        images=2,
    )


def test_a_stream_says_when_it_began_and_whose_trace_it_is_part_of(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    spool.ended(account(ttft_s=0.125, trace_parent=parent), 200, Ended.OK, Counts(5, 3), 1.5)
    [line] = read(tmp_path)
    assert (line.ttft_s, line.trace_parent) == (0.125, parent.decode())


def test_a_request_without_replica_and_key_has_neither(tmp_path: Path) -> None:
    Spool(tmp_path).ended(account(), 503, Ended.REFUSED, Counts(0, 0), 0.0)
    (line,) = read(tmp_path)
    assert (line.replica_id, line.key_id, line.version) == (None, None, 1)
    assert line.failed_version is None


def test_a_request_that_no_other_replica_answered_says_whose_failed_it(tmp_path: Path) -> None:
    Spool(tmp_path).ended(account(failed_version=6), 502, Ended.FAILED, Counts(0, 0), 0.0)
    (line,) = read(tmp_path)
    assert (line.replica_id, line.version, line.failed_version) == (None, 1, 6)


def test_a_full_file_is_followed_by_another_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_BYTES", 4_096)
    spool = Spool(tmp_path)
    for number in range(100):
        served = account(request_id=b"request-%d" % number)
        spool.ended(served, 200, Ended.OK, Counts(1, 1), 0.1)
    spool.close()
    assert [line.request_id for line in read(tmp_path)] == [f"request-{n}" for n in range(100)]
    assert len(list(tmp_path.iterdir())) > 3


def test_a_new_process_never_writes_where_another_did(tmp_path: Path) -> None:
    for number in range(3):
        spool = Spool(tmp_path, wall_s=lambda: 1.0)
        spool.began(account(request_id=b"process-%d" % number))
    assert [line.request_id for line in read(tmp_path)] == ["process-0", "process-1", "process-2"]


def test_lines_of_one_turn_are_written_together_and_answers_wait_for_them(tmp_path: Path) -> None:
    turn: list[Callable[[], None]] = []
    left: list[tuple[str, ...]] = []

    def leaves() -> None:
        left.append(tuple(line.request_id for line in read(tmp_path)))

    spool = Spool(tmp_path, later=turn.append)
    spool.when_written(leaves)
    assert left.pop() == (), "nothing to wait for"
    for name in (b"a", b"b"):
        spool.began(account(request_id=name))
    spool.ended(account(request_id=b"a"), 200, Ended.OK, Counts(1, 1), 0.1)
    spool.when_written(leaves)
    assert len(turn) == 1 and read(tmp_path) == () and left == []
    turn.pop()()
    assert left == [("a", "b", "a")]
    spool.began(account(request_id=b"c"))
    turn.pop()()
    assert [line.request_id for line in read(tmp_path)][3:] == ["c"]


def test_a_fault_in_one_answer_does_not_keep_the_others(tmp_path: Path) -> None:
    turn: list[Callable[[], None]] = []
    left: list[str] = []

    def fails() -> None:
        raise ZeroDivisionError

    spool = Spool(tmp_path, later=turn.append)
    spool.began(account())
    spool.when_written(fails)
    spool.when_written(lambda: left.append("other"))
    with pytest.raises(ZeroDivisionError):
        turn.pop()()
    turn.pop()()
    assert left == ["other"] and len(read(tmp_path)) == 1


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no space left")


def test_with_a_full_disk_lines_wait_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        spool.began(account(request_id=b"first"))
        spool.flush()
        assert spool.waiting_bytes > 0 and read(tmp_path) == ()
    spool.began(account(request_id=b"second"))
    spool.flush()
    assert spool.waiting_bytes == 0
    assert [line.request_id for line in read(tmp_path)] == ["first", "second"]
    assert "waits in memory" in capsys.readouterr().err


def test_half_a_line_on_a_full_disk_is_completed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, write = Spool(tmp_path), os.write
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
        spool.began(account(request_id=b"first"))
    spool.began(account(request_id=b"second"))
    spool.flush()
    assert [line.request_id for line in read(tmp_path)] == ["first", "second"]


def test_a_folder_that_takes_no_file_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as disk:
        disk.setattr(os, "open", full)
        spool = Spool(tmp_path)
        spool.began(account())
    spool.flush()
    assert len(read(tmp_path)) == 1


def test_what_is_too_much_for_memory_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 300)
    spool = Spool(tmp_path)
    spool.began(account())
    spool.began(account())
    assert spool.lost_lines == 1
