"""Charts are well-formed, inside their frame and never leak markup."""

import re
from xml.etree import ElementTree

import pytest

from paceline.cli.svg import (
    HEIGHT,
    WIDTH,
    Dot,
    Mark,
    axis,
    bars,
    cloud,
    line,
    log_axis,
    log_ticks,
    number,
    points,
    scatter,
    ticks,
)
from paceline.records.measurement import Interval

LIMIT = Mark(value=90.0, label="p95 <= 90ms & <b>", kind="limit")


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)  # noqa: S314 - what we just made
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    for attribute in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)"', svg):
        assert -1 <= float(attribute) <= WIDTH + 1
    for attribute in re.findall(r' (?:y|y1|y2|cy)="(-?[\d.]+)"', svg):
        assert -1 <= float(attribute) <= HEIGHT + 1
    return root


def test_bars_stand_on_the_floor_and_empty_ones_are_left_out() -> None:
    root = parsed(
        bars([3, 0, 1], [0, 10, 20, 30], title="A & B", x_label="ms", y_label="n", marks=[LIMIT])
    )
    found = [element for element in root if element.tag == "rect"]
    assert len(found) == 2
    floors = {round(float(e.attrib["y"]) + float(e.attrib["height"]), 1) for e in found}
    assert len(floors) == 1
    assert "".join(root.itertext()).count(LIMIT.label) == 1


def test_a_line_and_its_area_follow_the_values() -> None:
    root = parsed(line([0, 1, 2], [5, 0, 9], title="t", x_label="s", y_label="n"))
    assert {element.attrib.get("class") for element in root if element.tag == "path"} == {
        "area",
        "frame",
        "line",
    }


def test_a_cloud_marks_failures_along_the_top() -> None:
    svg = cloud(
        [0.1, 0.2], [5, 6], title="t", x_label="s", y_label="ms", failed_at=[0.3], marks=[LIMIT]
    )
    parsed(svg)
    assert svg.count("h0") == 2
    assert 'class="failed"' in svg
    parsed(cloud([], [], title="t", x_label="s", y_label="ms", failed_at=[], marks=[]))


def test_names_of_dots_on_top_of_each_other_are_shown_once() -> None:
    dots = [Dot(x=5, y=5, label="8", kind="pass"), Dot(x=5.01, y=5, label="9", kind="fail")]
    dots.append(Dot(x=50, y=50, label="far", kind="fail"))
    root = parsed(scatter(dots, title="t", x_label="x", y_label="y", marks=[]))
    assert sum(element.tag == "circle" for element in root) == 3
    names = [e.text for e in root if e.attrib.get("class") == "name"]
    assert names == ["8", "far"]


@pytest.mark.parametrize("values", [[], [0.0], [7.0, 7.0], [-3.0, 4.0]])
def test_an_axis_always_has_a_length(values: list[float]) -> None:
    for from_zero in (True, False):
        found = axis(values, "x", from_zero=from_zero)
        assert found.high > found.low


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.0003), (95, 105), (0, 123456), (-5, 5)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 10
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


@pytest.mark.parametrize(
    ("low", "high"), [(90, 110), (0.008, 0.3), (1, 9e5), (1e-9, 1e9), (3.1, 3.2)]
)
def test_ticks_of_powers_of_ten_are_few_and_inside(low: float, high: float) -> None:
    found = log_ticks(low, high)
    assert 1 <= len(found) <= 5
    assert all(low <= value <= high for value in found)


def near(x: float, y: float, label: str) -> Dot:
    span = Interval(lo=y / 2, hi=y * 2)
    return Dot(x=x, y=y, label=label, kind="other", about="<odd>", y_span=span)


def test_names_of_near_points_stand_beside_each_other() -> None:
    dots = [near(10, 10, "1"), near(10.1, 10, "2"), near(1000, 40, "a")]
    x, y = log_axis([10, 1000], "x"), log_axis([5, 80], "y")
    root = parsed(points(dots, title="t", x=x, y=y, level=True))
    names = [e for e in root if e.attrib.get("class") == "name other"]
    assert [e.text for e in names] == ["1", "2", "a"]
    assert len({(e.attrib["x"], e.attrib["y"]) for e in names}) == 3
    assert [title.text for title in root.iter("title")] == ["<odd>"] * 3


def test_one_point_has_an_axis_around_it() -> None:
    for only in (0.003, 7.0):
        found = log_axis([only], "x")
        assert found.low < only < found.high
        parsed(
            points(
                [near(only, only, "1")], title="t", x=found, y=log_axis([only / 2, only * 2], "y")
            )
        )


def test_large_numbers_are_short() -> None:
    assert [number(v) for v in (0.25, 20, 1500, 20_000, 3e6)] == ["0.25", "20", "1.5k", "20k", "3M"]
