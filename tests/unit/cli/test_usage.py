"""What usage says of very small sums, and of nothing at all."""

from pathlib import Path

import pytest

from paceline.cli.usage import dollars, usage


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0.0, "0.0000"), (9.5e-8, "<0.0001"), (0.0001, "0.0001"), (1234.5, "1,234.5000")],
)
def test_a_small_sum_is_not_shown_as_nothing(usd: float, text: str) -> None:
    assert dollars(usd) == text


def test_where_nothing_was_served_there_are_the_columns_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.delenv("PACELINE_DATABASE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    usage()
    title, header = capsys.readouterr().out.splitlines()
    assert title == "Usage of the last 30d"
    assert header.split()[:3] == ["endpoint", "requests", "ok"]
