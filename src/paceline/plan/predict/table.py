"""The table contract of `paceline predict`: text cells in, text cells out, row by row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.facts.models import ShapeFinder, known_shapes
from paceline.plan.facts.tables import (
    EngineFacts,
    Format,
    device,
    engine,
    release_year,
    weight_format,
)
from paceline.plan.predict.deployment import Deployment, Load, batch_of
from paceline.plan.predict.predict import Band, Prediction, predict
from paceline.plan.shapes import Shape

Row = Mapping[str, str]

LOADS: Final = {
    "closed_loop": Load.CLOSED,
    "static_batch": Load.STATIC,
    "single_stream": Load.SINGLE,
    "offline_max_throughput": Load.OFFLINE,
    "burst": Load.BURST,
    "open_loop": Load.OPEN,
}
UNKNOWN_ENGINE: Final = EngineFacts(
    name="unknown",
    kind="serving",
    continuous_batching=True,
    parallelism="tensor",
    max_sequences=256,
    max_sequences_large=256,
    memory_share=0.9,
    overhead_gib=2.0,
    vendors=(),
    formats=(),
    source="the median of the serving engines known",
)
KV_BITS: Final = {"fp8": 8.0, "fp8_e4m3": 8.0, "fp8_e5m2": 8.0, "int8": 8.0, "fp4": 4.0}
CACHE_BITS: Final = 16.0
MOST: Final = 1e9
"""Of any count in a table; beyond it the arithmetic overflows."""
COLUMNS: Final = (
    "row_id",
    "fits",
    "reason",
    *(f"{name}{end}" for name in ("out_tok_s", "ttft_ms", "tpot_ms") for end in ("", "_lo", "_hi")),
)


def predict_table(
    rows: Sequence[Row], shapes: Mapping[str, Shape] | None = None
) -> list[dict[str, str]]:
    """Predict every row of the input contract; the answers keep the order and `row_id`.

    `shapes` names models beyond the shipped ones and wins over them. A row that cannot be
    predicted has `fits` = `no` or `unknown`, a reason, and empty figures.
    """
    finder = ShapeFinder(dict(known_shapes()) | dict(shapes or {}))
    deployments: list[Deployment] = []
    answers: list[dict[str, str]] = []
    places: list[int] = []
    for row in rows:
        answer = dict.fromkeys(COLUMNS, "") | {"row_id": row.get("row_id", "")}
        answers.append(answer)
        try:
            deployments.append(deployment_of(row, finder))
        except SpecError as error:
            answer |= {"fits": "unknown", "reason": f"{error.what}: {error.why}"}
        except ValueError as error:
            answer |= {"fits": "unknown", "reason": str(error)}
        else:
            places.append(len(answers) - 1)
    if deployments:
        predicted = predict(batch_of(deployments))
        for at, place in enumerate(places):
            answers[place] |= _cells(predicted, at)
    return answers


def _cells(predicted: Prediction, at: int) -> dict[str, str]:
    if not predicted.fits[at]:
        need, have = predicted.need_gib[at], predicted.have_gib[at]
        return {"fits": "no", "reason": f"needs {need:.1f} GiB of {have:.1f} GiB per device"}
    return {
        "fits": "yes",
        **_band("out_tok_s", predicted.output_tokens_per_s, at),
        **_band("ttft_ms", predicted.ttft_ms, at),
        **_band("tpot_ms", predicted.tpot_ms, at),
    }


def _band(name: str, band: Band, at: int) -> dict[str, str]:
    return {
        name: f"{band.value[at]:.5g}",
        f"{name}_lo": f"{band.low[at]:.5g}",
        f"{name}_hi": f"{band.high[at]:.5g}",
    }


def deployment_of(row: Row, finder: ShapeFinder) -> Deployment:
    """One row of the input table.

    Raises:
        SpecError: the model, accelerator or precision is not known.
        ValueError: a cell that must be a number is none.
    """
    shape = finder.find(row.get("arch_ref", ""), row.get("model_hf", ""))
    if shape is None:
        name = row.get("model_hf") or row.get("arch_ref") or ""
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"no shape is known for model {name!r}",
            why=f"{name!r} is none of the shipped models, and no config.json was given for it",
            fix="pass `--models` with a folder that holds its config.json",
        )
    engine_facts = _engine(row.get("engine", ""))
    weights = _weights(row.get("precision", ""), shape)
    hardware = device(row.get("gpu_spec", ""))
    count = max(1, round(_number(row, "n_gpus") or 1))
    pipeline = max(1, round(_number(row, "pp") or 1))
    tensor = round(_number(row, "tp") or max(1, count // pipeline))
    version = row.get("engine_version") or ""
    year = release_year(engine_facts.name, version)
    return Deployment(
        shape=shape,
        device=hardware,
        engine=engine_facts,
        weights=weights,
        count=count,
        tensor_parallel=max(1, tensor),
        pipeline_parallel=pipeline,
        expert_parallel=_experts(row, count),
        data_parallel=max(1, round(_number(row, "dp") or 1)),
        kv_bits=KV_BITS.get((row.get("kv_cache_dtype") or "").lower(), CACHE_BITS),
        load=_load(row.get("load_mode", "")),
        input_tokens=_number(row, "isl") or 1.0,
        output_tokens=_number(row, "osl") or 1.0,
        concurrency=_number(row, "concurrency"),
        requests_per_s=_number(row, "request_rate"),
        release_year=year,
    )


def _engine(name: str) -> EngineFacts:
    try:
        return engine(name)
    except SpecError:
        return replace(UNKNOWN_ENGINE, name=name or "unknown")


def _weights(name: str, shape: Shape) -> Format:
    """The format as stored: an fp4 checkpoint of a natively mxfp4 model keeps its own layout."""
    weights = weight_format(name)
    if weights.compute == "fp4" and "mxfp4" in (shape.native_format or ""):
        return weight_format("mxfp4")
    return weights


def _load(text: str) -> Load:
    for word, load in LOADS.items():
        if text.startswith(word):
            return load
    return Load.CLOSED


def _experts(row: Row, count: int) -> int:
    """A degree, or `ep`: over all devices. Never more shards than devices."""
    if row.get("ep", "").strip().lower() == "ep":
        return count
    value = _number(row, "ep")
    return min(count, max(1, round(value))) if value else 1


def _number(row: Row, column: str) -> float | None:
    """The cell's number; `None` where it is not known, for which tables write nothing, 0 or nan."""
    text = row.get(column) or "0"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column} is no number: {text!r}") from None
    if column == "request_rate" and value == math.inf:  # everything at once
        return None
    if not value or math.isnan(value):
        return None
    if not 0 < value <= MOST:
        raise ValueError(f"{column} is {text!r}, not above 0 and up to {MOST:g}")
    return value
