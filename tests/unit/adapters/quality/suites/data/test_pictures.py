"""The suite for image models that bring none along."""

from paceline.adapters.quality.suites.data.pictures import FILE, PROMPTS, SEEDS_EACH, render
from paceline.adapters.quality.suites.read import read_suite
from paceline.records.quality import Scorer


def test_the_file_is_what_its_source_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == render()


def test_every_picture_has_a_seed_of_its_own() -> None:
    items = read_suite(FILE).items
    assert len(items) == len(PROMPTS) * SEEDS_EACH == len({item.seed for item in items})
    assert {item.scorer for item in items} == {Scorer.PICTURE}
