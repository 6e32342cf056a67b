"""What usage says of very small sums."""

import pytest

from paceline.cli.usage import dollars


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0.0, "0.0000"), (9.5e-8, "<0.0001"), (0.0001, "0.0001"), (1234.5, "1,234.5000")],
)
def test_a_small_sum_is_not_shown_as_nothing(usd: float, text: str) -> None:
    assert dollars(usd) == text
