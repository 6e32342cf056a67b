"""Chips and notes from what a runtime found inside itself."""

from dataclasses import replace

import pytest

from paceline.rank.inside import inside_chips, inside_notes
from paceline.testing.builders import IMAGE_FACTS


def test_says_what_was_seen() -> None:
    assert inside_chips(IMAGE_FACTS) == ("4 steps", "gs 0", "FlowMatch", "FP8 dynamic", "compiled")


@pytest.mark.parametrize(
    ("change", "chip"),
    [
        ({"steps": 1}, "1 step"),
        ({"guidance": 3.5}, "gs 3.5"),
        ({"scheduler": "SomethingNewScheduler"}, "SomethingNewScheduler"),
        ({"quantized": {}}, "BF16"),
        ({"quantized": {"int8 dynamic": 20}}, "BF16"),
        ({"quantized": {"int8 dynamic": 31}}, "int8 dynamic"),
        ({"weights": "float8_e5m2", "quantized": {}}, "float8_e5m2"),
        ({"eager_calls": 3}, "partly compiled"),
        ({"offloaded": True}, "offloaded"),
    ],
)
def test_each_chip_follows_what_is_inside(change: dict[str, object], chip: str) -> None:
    assert chip in inside_chips(replace(IMAGE_FACTS, **change))  # type: ignore[arg-type]


def test_nothing_compiled_is_not_called_compiled() -> None:
    eager = replace(IMAGE_FACTS, compiled_calls=0, eager_calls=12)
    assert not [chip for chip in inside_chips(eager) if "compiled" in chip]


def test_notes_tell_the_start_by_phase_and_how_many_layers() -> None:
    assert list(inside_notes(IMAGE_FACTS)) == [
        "start: import 3.2 s, compile 61.0 s; compiled anew",
        "57 of 60 linear layers of the denoiser are fp8 dynamic",
    ]
    (cached,) = inside_notes(replace(IMAGE_FACTS, compile_cache="hit", quantized={}))
    assert cached.endswith("; compiled code from the cache")
