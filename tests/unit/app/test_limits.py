"""Limits as people read them."""

import pytest

from paceline.app.limits import limits_words
from paceline.records.access import UseLimits


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (UseLimits(), ""),
        (UseLimits(requests_per_min=1200, concurrency=4), "1,200 requests/min, 4 at once"),
        (UseLimits(tokens_per_min=9, budget_usd_per_month=2.5), "9 tokens/min, 2.5 USD/month"),
    ],
)
def test_only_what_is_limited_is_named(limits: UseLimits, words: str) -> None:
    assert limits_words(limits) == words
