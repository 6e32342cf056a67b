from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.adapters.stores.memory.access import MemoryAccess
from paceline.app.usage import account_spool
from paceline.app.usage_report import Used, usage_document
from paceline.errors import Code, SetupError
from paceline.records.gateway import Ended
from paceline.records.serial import dump
from paceline.records.usage import PricedLine, SpoolPosition, UsageBy
from paceline.testing.access import a_line


def write(path: Path, *requests: tuple[str, Ended]) -> None:
    with path.open("ab") as file:
        for request_id, ended in requests:
            file.write(orjson.dumps(dump(a_line(request_id, ended=ended))) + b"\n")


def test_every_line_is_accounted_for_once(tmp_path: Path) -> None:
    access = MemoryStore().access
    write(tmp_path / "usage-00000001.jsonl", ("a", Ended.BEGAN), ("b", Ended.BEGAN))
    write(tmp_path / "usage-00000002.jsonl", ("b", Ended.MOVED), ("a", Ended.OK))
    assert account_spool(access, tmp_path, spool="g", price=lambda line: line.output_tokens) == 4
    assert account_spool(access, tmp_path, spool="g", price=lambda _: 99.0) == 0
    write(tmp_path / "usage-00000002.jsonl", ("b", Ended.ABORTED))
    assert account_spool(access, tmp_path, spool="g", price=lambda _: 1.0) == 1
    [total] = access.usage(by=UsageBy.ENDPOINT)
    assert (total.requests, total.ok, total.aborted, total.unknown) == (2, 1, 1, 0)
    assert total.usd == pytest.approx(21.0)
    assert usage_document(Used(total=total))["requests"] == {
        "all": 2,
        "ok": 1,
        "aborted": 1,
        "failed": 0,
        "rejected": 0,
        "refused": 0,
        "unknown": 0,
    }


def test_files_go_when_their_lines_are_stored(tmp_path: Path) -> None:
    write(tmp_path / "usage-00000001.jsonl", ("a", Ended.OK))
    write(tmp_path / "usage-00000002.jsonl", ("b", Ended.OK))
    account_spool(MemoryStore().access, tmp_path, spool="g", price=lambda _: 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["usage-00000002.jsonl"]


class _Locked(MemoryAccess):
    """A store that is gone for a while."""

    def account(self, spool: str, lines: Sequence[PricedLine], position: SpoolPosition) -> None:
        raise SetupError(Code.STORE_UNUSABLE, "locked", why="by a test", fix="wait")


def test_a_store_that_is_gone_costs_no_line(tmp_path: Path) -> None:
    write(tmp_path / "usage-00000001.jsonl", ("a", Ended.OK))
    write(tmp_path / "usage-00000002.jsonl", ("b", Ended.OK))
    with pytest.raises(SetupError):
        account_spool(_Locked(MemoryStore().note), tmp_path, spool="g", price=lambda _: 0.0)
    assert account_spool(MemoryStore().access, tmp_path, spool="g", price=lambda _: 0.0) == 2
