"""Published measurements as complete sweeps: the shared ranking sets, one by one and joined, and
everything that was measured of a model with prompts and answers of one length."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from fit_predictor import fit_all, read_table
from paceline.records.race import Outlook
from paceline.records.variant import Variant
from search_replay import Costs, Sweep

COSTS: Final = Costs(start_s=60.0, window_s=240.0)
"""Of a published measurement: a server of this size starts in about a minute, and a point at ten
requests per place in flight takes some minutes."""
SIXTEEN_BITS: Final = ("bf16", "fp16", "f16")
DEVIATIONS_90: Final = 1.645
LAYOUT: Final = ("tp", "pp", "ep", "dp")
CONFIGURATION: Final = ("gpu_spec", "n_gpus", "engine", "precision", *LAYOUT, "concurrency")
"""Columns of the measured table that tell configurations of one model and load apart."""

Row = Mapping[str, str]
Outlooks = Mapping[str, tuple[float, float]]
"""Row → natural logarithm of predicted tokens/s, and its standard deviation."""


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def left_out(path: Path) -> Outlooks:
    """What the predictor says of every measured row with its whole group left out of the fit."""
    table = read_table(path)
    fitted = fit_all(table)
    half_bands = fitted.left_out_spread[:, 0] * fitted.quantiles[0]
    return {
        row["row_id"]: (float(fitted.left_out[at, 0]), float(half_bands[at]) / DEVIATIONS_90)
        for at, row in enumerate(table.rows)
    }


def by_set(rows: Iterable[Row], outlooks: Outlooks) -> list[Sweep]:
    """One sweep per ranking set."""
    return _sweeps(rows, outlooks, lambda row: row["set_id"])


def joined(rows: Iterable[Row], outlooks: Outlooks, *, least: int) -> list[Sweep]:
    """Everything published of one model under one load, over accelerators, engines and formats."""
    once = {row["row_id"]: row for row in rows}.values()
    found = _sweeps(
        once, outlooks, lambda row: " ".join(row[k] for k in ("arch_ref", "isl", "osl", "load"))
    )
    return [sweep for sweep in found if len(sweep.rates) >= least]


def whole(rows: Iterable[Row], outlooks: Outlooks, *, least: int) -> list[Sweep]:
    """Every closed loop of one model and its lengths: accelerators, engines, formats, layouts and
    the requests in flight, a setting like others (what the engine admits). Configurations that
    were measured repeatedly count once, with the geometric mean of what was found."""
    groups: dict[str, dict[tuple[str, ...], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["load_mode"] == "closed_loop" and row["out_tok_s"] and row["concurrency"]:
            name = " ".join(row[column] for column in ("arch_ref", "isl", "osl"))
            groups[name][tuple(row[column] for column in CONFIGURATION)].append(row)
    found = [
        _sweep(name, [_averaged(same) for same in members.values()], outlooks)
        for name, members in groups.items()
        if len(members) >= least
    ]
    return [sweep for sweep in found if sweep.family]  # some rows do not name their model


def _averaged(rows: list[Row]) -> Row:
    per_device = [float(row["out_tok_s"]) / float(row["n_gpus"]) for row in rows]
    mean = math.exp(sum(math.log(rate) for rate in per_device) / len(rows))
    first = rows[0]
    return {
        **first,
        "out_tok_s_per_gpu": str(mean),
        "gpu": first["gpu_spec"],
        "in_flight": first["concurrency"],
    }


def _sweeps(rows, outlooks, key) -> list[Sweep]:  # type: ignore[no-untyped-def]
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return [_sweep(name, members, outlooks) for name, members in groups.items()]


def _sweep(name: str, rows: list[Row], outlooks: Outlooks) -> Sweep:
    """Rate per accelerator, so that more of them do not win by being more."""
    rates: dict[Variant, float] = {}
    told = []
    for row in rows:
        variant = _variant(row, rates)
        rates[variant] = float(row["out_tok_s_per_gpu"])
        if row["row_id"] in outlooks:
            score, sd = outlooks[row["row_id"]]
            score -= math.log(float(row["n_gpus"]))
            told.append(Outlook(variant_id=variant.id, score=score, sd=sd))
    plain = [v for v in rates if v.format in SIXTEEN_BITS]
    return Sweep(
        name=name,
        family=rows[0]["arch_ref"],
        baseline=(plain or list(rates))[0],
        rates=rates,
        costs=dict.fromkeys(rates, COSTS),
        outlooks=tuple(told),
    )


def _variant(row: Row, taken: Mapping[Variant, float]) -> Variant:
    """The layout over devices as changed knobs; a number tells otherwise equal rows apart."""
    knobs = [(name, row[name]) for name in LAYOUT if row[name] not in ("", "1", "1.0")]
    knobs += [("in_flight", row["in_flight"])] if "in_flight" in row else []
    number = 0
    while True:
        again = (("run", number),) if number else ()
        variant = Variant(
            accelerator=row["gpu"],
            count=int(float(row["n_gpus"])),
            format=row["precision"],
            engine=row["engine"],
            knobs=tuple(sorted((*knobs, *again))),
        )
        if variant not in taken:
            return variant
        number += 1
