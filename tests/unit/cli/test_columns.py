"""Tables in narrow places: nothing is broken inside a name, and nothing is lost."""

import pytest

from paceline.cli.columns import folded, lay_out

COLUMNS = ("rank", "variant", "tokens/s", "TTFT p95 ms", "verdict")
ROWS = [
    ("1", "openvino int8, max_num_batched_tokens=512, prefix_caching=true", "7,289", "–", "pass"),
    ("2", "openvino fp16 (baseline)", "1,899", "144", "unresolved: ttft p95 <= 200ms"),
]


def lines(width: int) -> list[str]:
    laid = lay_out(COLUMNS, ROWS, width)
    return [line for row in (laid.header, *laid.rows) for line in row]


def test_where_there_is_room_a_row_is_a_line() -> None:
    assert lines(160) == [
        (
            "rank  variant                                                         tokens/s"
            "  TTFT p95 ms  verdict"
        ),
        (
            "   1  openvino int8, max_num_batched_tokens=512, prefix_caching=true     7,289"
            "            –  pass"
        ),
        (
            "   2  openvino fp16 (baseline)                                           1,899"
            "          144  unresolved: ttft p95 <= 200ms"
        ),
    ]


def test_a_long_cell_is_folded_between_its_words() -> None:
    assert lines(80) == [
        "rank  variant                      tokens/s  TTFT p95 ms  verdict",
        "   1  openvino int8,                  7,289            –  pass",
        "      max_num_batched_tokens=512,",
        "      prefix_caching=true",
        "   2  openvino fp16 (baseline)        1,899          144  unresolved: ttft p95",
        "                                                          <= 200ms",
    ]


def test_what_fits_nowhere_beside_the_rest_stands_under_its_row() -> None:
    assert lines(50)[:6] == [
        "rank  tokens/s  TTFT p95 ms  verdict",
        "    variant",
        "   1     7,289            –  pass",
        "    openvino int8, max_num_batched_tokens=512,",
        "    prefix_caching=true",
        "   2     1,899          144  unresolved: ttft p95",
    ]


def test_beside_a_name_of_its_own_line_no_cell_is_folded_into_a_tower() -> None:
    long = [(*row[:4], "unresolved: ttft p95 <= 200ms, quality >= 0.97x") for row in ROWS]
    laid = lay_out(COLUMNS, long, 46)
    assert laid.header == ("rank  tokens/s  TTFT p95 ms", "    variant", "    verdict")
    assert laid.rows[1] == (
        "   2     1,899          144",
        "    openvino fp16 (baseline)",
        "    unresolved: ttft p95 <= 200ms, quality >=",
        "    0.97x",
    )


@pytest.mark.parametrize("width", range(1, 170))
def test_every_word_is_whole_at_every_width(width: int) -> None:
    shown = " ".join(lines(width)).split()
    words = [word for row in (COLUMNS, *ROWS) for cell in row for word in cell.split()]
    assert sorted(shown) == sorted(words)
    longest = max(len(word) for word in words)
    assert all(len(line) <= max(width, longest + 4) for line in lines(width))


def test_a_table_without_rows_is_its_header() -> None:
    assert lay_out(("run", "state"), [], 80).header == ("run  state",)
    assert folded("", 10) == [""]
