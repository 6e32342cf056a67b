"""Families as the command line brings them."""

import json
from dataclasses import asdict

import pytest

from paceline.records.image_families import IMAGE_FAMILIES
from paceline.runtimes.image_server.family import read_family


def row(name: str, **changes: object) -> str:
    return json.dumps({**asdict(IMAGE_FAMILIES[name]), **changes})


@pytest.mark.parametrize("name", IMAGE_FAMILIES)
def test_every_row_that_we_know_is_read(name: str) -> None:
    family, known = read_family(row(name)), IMAGE_FAMILIES[name]
    assert family.schedulers == tuple(sampler.value for sampler in known.schedulers)
    assert family.steps_of(None) == family.steps_of(known.mode) == known.steps
    assert all(1 <= family.steps_of(mode) <= known.most_steps for mode in ("realtime", "quality"))
    assert family.side_px in family.sides_px()


def test_the_other_mode_takes_other_steps() -> None:
    assert read_family(row("flux-dev")).steps_of("realtime") == 14
    assert read_family(row("sdxl-turbo")).steps_of("quality") == 4
    assert read_family(row("flux-schnell")).steps_of("quality") == 4  # its ceiling
    assert read_family(row("reference-image")).steps_of("quality") == 32


def test_a_model_reads_no_more_text_than_it_was_made_for() -> None:
    assert read_family(row("flux-schnell")).text_tokens == 256
    assert read_family(row("flux-dev")).text_tokens is None
    without = {key: value for key, value in json.loads(row("sdxl")).items() if key != "text_tokens"}
    assert read_family(json.dumps(without)).text_tokens is None


def test_only_models_with_a_ceiling_are_distilled() -> None:
    assert read_family(row("sdxl-lightning")).distilled
    assert not read_family(row("sdxl")).distilled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting"),
        ("[]", "must be a JSON object"),
        ("{}", "lacks or misspells"),
        (row("sdxl", schedulers=None), "lacks or misspells"),
        (row("sdxl", scheduler="plms"), "'plms' is none of its"),
        (row("sdxl", side_multiple_px=4096), "no side up to 2048 px"),
        (row("sdxl", side_multiple_px=0), "lacks or misspells"),
    ],
)
def test_a_broken_row_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_family(text)


def test_a_request_without_a_size_stays_below_the_servers_largest_side() -> None:
    small = read_family(row("flux-schnell"), most_side_px=200)
    assert (small.side_px, small.sides_px()[-1]) == (192, 192)
    assert read_family(row("flux-schnell"), most_side_px=9999).sides_px()[-1] == 2048
