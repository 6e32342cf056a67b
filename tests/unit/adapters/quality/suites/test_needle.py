import re

import pytest

from paceline.adapters.quality.suites.needle import needle_suite
from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.errors import SpecError
from paceline.records.quality import Item, Reply, Scorer, Suite
from paceline.trial.scorers import is_right


@pytest.fixture(scope="module")
def suite() -> Suite:
    return SuiteShelf().find("needle:600")


def text_of(item: Item) -> str:
    return item.messages[0].content or ""


def codes(item: Item) -> list[str]:
    return re.findall(r"The \w+ code is (\d{5})\.", text_of(item))


def test_the_hidden_codes_and_only_they_are_right(suite: Suite) -> None:
    for item in suite.items:
        hidden = codes(item)
        assert len(hidden) == (3 if item.scorer is Scorer.CHECKS else 1)
        assert is_right(item, Reply(text=" and ".join(hidden)))
        assert not is_right(item, Reply(text=" and ".join(hidden[1:]) or "12345"))


def test_codes_lie_at_every_depth(suite: Suite) -> None:
    depths = [
        text_of(item).index(codes(item)[0]) / len(text_of(item))
        for item in suite.items
        if item.category == "single"
    ]
    assert len(depths) == 20
    assert min(depths) < 0.05
    assert max(depths) > 0.9
    assert sum(0.4 < depth < 0.6 for depth in depths) == 4


def test_nothing_in_the_text_repeats_or_looks_like_a_code(suite: Suite) -> None:
    for item in suite.items:
        sentences = text_of(item).partition("\n\n")[0].split(". ")
        assert len(set(sentences)) == len(sentences)
        assert len(re.findall(r"\d{5,}", text_of(item))) == len(codes(item))


def test_prompts_have_about_the_length_asked_for() -> None:
    words = [len(text_of(item).split()) for item in needle_suite("needle:4000").items]
    assert all(0.9 < 1.35 * count / 4000 < 1.1 for count in words)


def test_times_gives_as_many_items() -> None:
    once, twice = needle_suite("needle:300"), needle_suite("needle:300:2")
    assert len(twice.items) == 2 * len(once.items) == 64
    assert len({item.item_id for item in twice.items}) == 64
    assert needle_suite("needle:300:2").sha256 == twice.sha256 != once.sha256


def test_the_same_length_gives_the_same_suite(suite: Suite) -> None:
    assert needle_suite("needle:600") == suite
    assert needle_suite("needle:601").sha256 != suite.sha256


@pytest.mark.parametrize("name", ["needle:", "needle:8k", "needle:100", "needle:-1"])
def test_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="256 to 1000000"):
        SuiteShelf().find(name)


@pytest.mark.parametrize("name", ["needle:300:", "needle:300:0", "needle:300:21", "needle:300:a"])
def test_a_number_of_times_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="from 1 to 20"):
        SuiteShelf().find(name)
