"""The table of what can be constrained, and its page in the reference."""

import re
from pathlib import Path

import pytest

from paceline.spec.grammar import parse_constraint
from paceline.spec.metrics import METRICS, MetricSpec
from paceline.spec.read import NOTHING_SAID, Asked, RequestText, read_request
from paceline.spec.words import parse_words
from paceline.spec.workloads import PRESETS

PAGE = (Path(__file__).parents[3] / "docs/reference/constraints.md").read_text()


def block(name: str) -> str:
    match = re.search(rf"```{name}\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    return match[1]


def row(first: str) -> list[str]:
    match = re.search(rf"^\| `{re.escape(first)}` \|(.*)\|$", PAGE, re.MULTILINE)
    assert match is not None, f"no row for {first!r}"
    return [cell.strip() for cell in match[1].split(" | ")]


@pytest.mark.parametrize("spec", METRICS.values(), ids=lambda spec: spec.name)
def test_the_reference_has_the_row_of_every_metric(spec: MetricSpec) -> None:
    statistic, units, better, meaning = row(spec.name)
    written = tuple(re.findall(r"`([^`]+)`", units))
    assert statistic == ("needed" if spec.statistics else "none")
    assert written == tuple(unit for unit in spec.shown_units if unit)
    assert units.endswith("or nothing") == spec.unit_free
    assert better == ("less" if spec.less_is_better else "more")
    assert meaning == spec.meaning


def test_the_reference_names_no_metric_that_does_not_exist() -> None:
    table = PAGE.split("## Metrics")[1].split("The statistics are")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == set(METRICS)


@pytest.mark.parametrize("text", block("constraint").splitlines())
def test_examples_of_the_reference_are_read(text: str) -> None:
    constraint = parse_constraint(text)
    assert parse_constraint(constraint.text) == constraint


@pytest.mark.parametrize("text", block("words").splitlines())
def test_plain_words_of_the_reference_are_understood(text: str) -> None:
    assert parse_words(text) != NOTHING_SAID


def test_the_request_file_of_the_reference_is_read() -> None:
    request = read_request(Asked(), file=RequestText(name="request.yaml", text=block("yaml")))
    assert request.formats == ("int8", "int4")
    assert len(request.constraints) == 2


@pytest.mark.parametrize("name", PRESETS)
def test_the_reference_has_the_figures_of_every_preset(name: str) -> None:
    preset = PRESETS[name]
    assert row(name) == [
        str(preset.concurrency),
        str(preset.input_tokens),
        str(preset.shared_prefix_tokens),
        str(preset.output_tokens),
        f"{preset.duration_s:g} s",
    ]
