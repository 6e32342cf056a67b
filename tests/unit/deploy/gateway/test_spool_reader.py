from pathlib import Path

import orjson

from paceline.deploy.gateway.spool_reader import Position, delete_read, read_spool
from paceline.records.gateway import Ended, UsageLine


def line(number: int) -> UsageLine:
    return UsageLine(
        request_id=f"request-{number}",
        at_s=1.0,
        workspace="main",
        endpoint="demo",
        version=1,
        replica_id="r1",
        key_id=None,
        route="/v1/chat/completions",
        status=200,
        ended=Ended.OK,
    )


def write(path: Path, *numbers: int, tail: bytes = b"") -> None:
    with path.open("ab") as file:
        file.write(b"".join(orjson.dumps(line(number)) + b"\n" for number in numbers) + tail)


def test_lines_are_read_once_in_order_over_files(tmp_path: Path) -> None:
    write(tmp_path / "usage-1.jsonl", 1, 2)
    write(tmp_path / "usage-2.jsonl", 3)
    first = read_spool(tmp_path, Position(), max_lines=2)
    second = read_spool(tmp_path, first.position)
    assert first.lines == (line(1), line(2)) and second.lines == (line(3),)
    assert read_spool(tmp_path, second.position).lines == ()
    write(tmp_path / "usage-2.jsonl", 4)
    assert read_spool(tmp_path, second.position).lines == (line(4),)


def test_half_a_line_waits_and_in_an_older_file_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "usage-1.jsonl", 1, tail=b'{"request_id":')
    read = read_spool(tmp_path, Position())
    assert read.lines == (line(1),)
    write(tmp_path / "usage-2.jsonl", 2)
    assert read_spool(tmp_path, read.position).lines == (line(2),)


def test_a_line_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "usage-1.jsonl", 1, tail=b"{}\nno json\n")
    write(tmp_path / "usage-1.jsonl", 2)
    read = read_spool(tmp_path, Position())
    assert read.lines == (line(1), line(2)) and read.unreadable == 2


def test_files_before_the_position_are_deleted(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"usage-{number}.jsonl", number)
    delete_read(tmp_path, read_spool(tmp_path, Position()).position)
    assert [path.name for path in tmp_path.iterdir()] == ["usage-2.jsonl"]


def test_a_file_that_another_reader_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "usage-1.jsonl").symlink_to(tmp_path / "gone")
    write(tmp_path / "usage-2.jsonl", 2)
    assert read_spool(tmp_path, Position()).lines == (line(2),)
