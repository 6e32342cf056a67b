"""`paceline predict`: a table of deployments in, a table of predictions out."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paceline.errors import Code, SpecError, reason_of
from paceline.plan.predict import COLUMNS, predict_table
from paceline.plan.shapes import Shape, read_shape

CONFIG = "config.json"
REQUIRED = ("row_id", "gpu_spec", "engine", "precision", "isl", "osl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """How many rows were predicted, and why the others were not."""

    rows: int
    predicted: int
    reasons: Mapping[str, int]
    """Reason to number of rows."""


def predict_file(table: Path, out: Path, models: Path | None = None) -> TableReport:
    """Predict every row of `table` (CSV) and write `out` (CSV).

    Raises:
        SpecError: a file cannot be read, or the table lacks columns.
    """
    rows = _read_table(table)
    shapes = {} if models is None else read_models(models)
    answers = predict_table(rows, shapes)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(answers)
    reasons: dict[str, int] = {}
    for answer in answers:
        if answer["reason"]:
            reasons[answer["reason"]] = reasons.get(answer["reason"], 0) + 1
    return TableReport(rows=len(rows), predicted=len(rows) - sum(reasons.values()), reasons=reasons)


def read_models(source: Path) -> dict[str, Shape]:
    """Shapes by name from a folder (`NAME/config.json`, `ORG/NAME/config.json` or
    `ORG--NAME_config.json`) or from a CSV with `model_hf` and config.json keys as columns.
    """
    if source.is_dir():
        return _from_folder(source)
    return {row["model_hf"]: read_shape(_config(row)) for row in _rows(source)}


def _from_folder(folder: Path) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for path in sorted(folder.rglob("*config.json")):
        if path.name.endswith("_quant_config.json"):
            continue
        if path.name == CONFIG:
            name = path.parent.relative_to(folder).as_posix()
        else:
            name = path.name.removesuffix("_" + CONFIG).replace("--", "/")
        shapes[name] = read_shape(_parsed(path))
    return shapes


def _parsed(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(
            Code.BAD_MODEL,
            f"cannot read {str(path)!r}",
            why=reason_of(error),
            fix="mend or remove it",
        ) from error
    return found if isinstance(found, dict) else {}


def _read_table(path: Path) -> list[dict[str, str]]:
    rows = _rows(path)
    columns = list(rows[0]) if rows else _header(path)
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"the table {str(path)!r} lacks {', '.join(missing)}",
            why=f"it has {', '.join(columns) or 'no first line'}",
            fix="add them; the columns are listed under `paceline predict --help`",
        )
    return rows


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read {str(path)!r}",
            why=reason_of(error),
            fix="check the path",
        ) from error


def _config(row: Mapping[str, str]) -> dict[str, object]:
    """Cells as JSON would have them; `family` stands in for `model_type`."""
    config: dict[str, object] = {key: _value(text) for key, text in row.items() if text}
    config.setdefault("model_type", row.get("family", ""))
    return config


def _value(text: str) -> object:
    if text in ("True", "False"):
        return text == "True"
    try:
        return json.loads(text)
    except ValueError:
        return text
