import pytest

from paceline.units import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50GB", 50 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("0B", 0),
        ("2 tb", 2 * 10**12),
        ("7kB", 7000),
        ("7", None),
        ("GB", None),
        ("-1GB", None),
        ("5 m", None),
    ],
)
def test_a_size_needs_a_unit(text: str, count: int | None) -> None:
    assert parse_bytes(text) == count


def test_sizes_are_printed_in_powers_of_a_thousand() -> None:
    assert [format_bytes(count) for count in (0, 999, 1000, 16_060_617_592, 2 * 10**12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "16.1 GB",
        "2.0 TB",
    ]
