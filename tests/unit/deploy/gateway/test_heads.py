import random

import pytest

from paceline.deploy.gateway.heads import MOST_BYTES, Body, KnownHead, known_head

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nX-Y: z\r\n\r\n"


def known(head: bytes = HEAD % 12, length: bytes | None = b"12") -> KnownHead[str] | None:
    return known_head(head + b"twelve bytes", length, "meaning")


def test_the_same_head_with_another_length_is_known() -> None:
    one = known()
    assert one is not None and one.meaning == "meaning"
    assert one.whole_body(HEAD % 5 + b"12345") == b"12345"
    assert one.whole_body(HEAD % 0) == b""
    assert one.begins(HEAD % 500 + b"so far") == Body(len(HEAD % 500), 500)


def test_a_length_may_be_the_last_header() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"
    one = known(head)
    assert one is not None and one.whole_body(head.replace(b"12", b"3") + b"abc") == b"abc"


@pytest.mark.parametrize("more", [b"", b"123456", b"12345POST / HTTP/1.1\r\n"])
def test_a_body_that_is_not_whole_or_has_more_behind_it_is_not_whole(more: bytes) -> None:
    one = known()
    assert one is not None and one.whole_body(HEAD % 5 + more) is None


@pytest.mark.parametrize(
    "length",
    [b"", b"+5", b"-5", b" 5", b"5 ", b"0x5", b"5_0", b"5,5", b"123456789", b"\xb2", b"5\n"],
)
def test_only_digits_may_differ(length: bytes) -> None:
    one, head = known(), (HEAD % 5).replace(b": 5", b": " + length)
    assert one is not None and one.begins(head + b"12345") is None
    assert one.whole_body(head + b"12345") is None


def test_any_other_byte_is_another_head() -> None:
    one, rng, good = known(), random.Random(1), HEAD % 55 + b"5" * 55
    assert one is not None
    at_digits = good.index(b"55\r")
    for at in range(len(HEAD % 55)):
        data = bytearray(good)
        data[at] = rng.choice([byte for byte in range(256) if byte != data[at]])
        digit = at_digits <= at < at_digits + 2 and bytes(data[at : at + 1]).isdigit()
        assert (one.begins(bytes(data)) is not None) == digit
        body = one.begins(good[:at] + good[at + 1 :])
        assert body is None or (body.size_bytes == 5 and at_digits <= at < at_digits + 2)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (HEAD % 12, None),
        (HEAD % 12, b"13"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"12"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12", b"12"),
        (b"POST / HTTP/1.1\r\nX: %b\r\nContent-Length: 12\r\n\r\n" % (b"x" * MOST_BYTES), b"12"),
        (b"POST / HTTP/1.1\r\nContent-Length:\t12\r\n\r\n", b"12"),
    ],
)
def test_what_cannot_be_known_again_is_not(head: bytes, length: bytes | None) -> None:
    assert known(head, length) is None


@pytest.mark.parametrize("lengths", [(5, 50, 5), (1_000, 0, 9, 10, 99, 100, 101, 1_000)])
def test_lengths_may_have_other_numbers_of_digits(lengths: tuple[int, ...]) -> None:
    one = known()
    assert one is not None
    for size_bytes in lengths:
        body = b"x" * size_bytes
        assert one.whole_body(HEAD % size_bytes + body) == body


@pytest.mark.parametrize("digits", [b"5", b"12", b"123", b"00012"])
@pytest.mark.parametrize(
    "length", [b"-1", b"-01", b"-5", b"0", b"05", b"5", b"12", b"100", b"1000"]
)
def test_a_body_is_as_long_as_its_head_says_whatever_came_before(
    digits: bytes, length: bytes
) -> None:
    first = HEAD.replace(b"%d", digits)
    one = known_head(first, digits, "meaning")
    assert one is not None
    head = HEAD.replace(b"%d", length)
    for size_bytes in (0, 1, 4, 5, 6, 11, 12, 13, 99, 100, 101, 999, 1_000, 1_001):
        fits = length.isdigit() and int(length) == size_bytes
        assert (one.whole_body(head + b"x" * size_bytes) is not None) == fits


def test_a_head_with_a_percent_sign_is_known_too() -> None:
    head = b"POST /v1/%d%%20 HTTP/1.1\r\nContent-Length: 2\r\nX: 100%s\r\n\r\n"
    one = known_head(head, b"2", "meaning")
    assert one is not None and one.whole_body(head + b"ab") == b"ab"
