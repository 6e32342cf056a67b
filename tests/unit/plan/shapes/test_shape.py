"""Shapes against the shared reference table, where it is at hand."""

import csv
import json
from pathlib import Path

import pytest

from paceline.plan.shapes import read_shape

MODELS = Path(__file__).parents[4].parent / "shared/reference/models"

needs_reference = pytest.mark.skipif(
    not MODELS.is_dir(), reason="the shared reference tables are not beside this checkout"
)


@needs_reference
def test_every_stored_config_gives_the_parameters_and_kv_of_the_table() -> None:
    checked = 0
    with (MODELS / "model_arch.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = MODELS / "configs" / (row["model_hf"].replace("/", "--") + "_config.json")
            if not path.exists():
                continue
            shape = read_shape(json.loads(path.read_text(encoding="utf-8")))
            stated = row["params_b_computed"] or row["params_b_stated"]
            if stated:
                assert shape.parameters / 1e9 == pytest.approx(float(stated), rel=0.01), row
            if row["kv_bytes_per_token_bf16"]:
                kv_bytes = 2 * shape.kv_elements_per_token()
                assert kv_bytes == float(row["kv_bytes_per_token_bf16"]), row["model_hf"]
            checked += 1
    assert checked > 80
