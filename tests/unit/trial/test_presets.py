"""Presets are usable loads."""

import pytest

from paceline.errors import SpecError
from paceline.records.load_plan import LoadShape
from paceline.trial.arrivals import plan_load
from paceline.trial.presets import PRESETS, Preset, preset_named


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_can_be_planned(preset: Preset) -> None:
    shape = LoadShape(
        concurrency=4,
        requests=2000,
        input_tokens=preset.input_tokens,
        output_tokens=preset.output_tokens,
        prefix_tokens=preset.prefix_tokens,
        prefix_groups=preset.prefix_groups,
    )
    rows = plan_load(shape).rows
    assert min(row.input_tokens for row in rows) > preset.prefix_tokens
    mean = sum(row.input_tokens for row in rows) / len(rows)
    assert mean == pytest.approx(preset.input_tokens.mean, rel=0.1)


def test_an_unknown_preset_is_refused_with_the_names() -> None:
    with pytest.raises(SpecError, match="summarize"):
        preset_named("nonsense")
