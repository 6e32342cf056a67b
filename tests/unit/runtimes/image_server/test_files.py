"""Signed addresses that expire."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from paceline.runtimes.image_server.files import LIFE_S, FileShelf


class Hours:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def parts(address: str) -> tuple[str, str, str]:
    split = urlsplit(address)
    query = parse_qs(split.query)
    return Path(split.path).name, query["expires"][0], query["signature"][0]


def test_an_address_gives_its_file_until_it_expires(tmp_path: Path) -> None:
    clock = Hours()
    shelf = FileShelf(clock=clock, folder=tmp_path)
    name, expires, signature = parts(shelf.put(b"picture"))
    assert shelf.get(name, expires, signature) == b"picture"
    clock.now_s += LIFE_S + 1
    assert shelf.get(name, expires, signature) is None


def test_nothing_in_an_address_can_be_changed(tmp_path: Path) -> None:
    shelf = FileShelf(clock=Hours(), folder=tmp_path)
    name, expires, signature = parts(shelf.put(b"one"))
    other, _, _ = parts(shelf.put(b"two"))
    for changed in (
        (other, expires, signature),
        (name, str(int(expires) + 1), signature),
        (name, expires, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        (name, expires, ""),
        (name, expires, "é"),
        (name, "", signature),
        (name, "-1", signature),
        (name, "²", signature),
        (name, "9" * 5000, signature),
        (f"../{tmp_path.name}/{name}", expires, signature),
    ):
        assert shelf.get(*changed) is None


def test_another_process_signs_with_another_secret(tmp_path: Path) -> None:
    first, second = (FileShelf(clock=Hours(), folder=tmp_path) for _ in range(2))
    assert second.get(*parts(first.put(b"picture"))) is None


def test_the_oldest_make_room(tmp_path: Path) -> None:
    shelf = FileShelf(clock=Hours(), folder=tmp_path, most_bytes=10)
    addresses = [parts(shelf.put(b"12345")) for _ in range(3)]
    assert [shelf.get(*address) is not None for address in addresses] == [False, True, True]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_expired_is_removed_at_the_next_file(tmp_path: Path) -> None:
    clock = Hours()
    shelf = FileShelf(clock=clock, folder=tmp_path)
    shelf.put(b"old")
    clock.now_s += LIFE_S + 1
    shelf.put(b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_its_own_folder_goes_with_it() -> None:
    shelf = FileShelf()
    name, expires, signature = parts(shelf.put(b"picture"))
    assert shelf.get(name, expires, signature) == b"picture"
    shelf.close()
    assert shelf.get(name, expires, signature) is None
