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
from paceline.plan.support import impossible

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
KV_BITS: Final = {
    "fp16": 16.0, "f16": 16.0, "float16": 16.0, "half": 16.0, "bf16": 16.0, "bfloat16": 16.0,
    "fp32": 32.0, "f32": 32.0, "float32": 32.0,
    "fp8": 8.0, "fp8_e4m3": 8.0, "fp8_e5m2": 8.0, "int8": 8.0, "q8_0": 8.5,
    "fp4": 4.0, "nvfp4": 4.5, "q4_0": 4.5,
}  # fmt: skip
"""Scales included, where there is one for each few elements: 16 bit per 32 in llama.cpp, 8 bit per
16 in NVFP4."""
CACHE_DEFAULTS: Final = ("", "auto")
CACHE_BITS: Final = 16.0
"""Of an engine that is told nothing: it keeps keys and values as it computes them."""
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
            deployment = deployment_of(row, finder)
        except SpecError as error:
            answer |= {"fits": "unknown", "reason": f"{error.what}: {error.why}"}
        except ValueError as error:
            answer |= {"fits": "unknown", "reason": str(error)}
        else:
            if reason := _impossible(deployment):
                answer |= {"fits": "no", "reason": reason}
                continue
            deployments.append(deployment)
            places.append(len(answers) - 1)
    if deployments:
        predicted = predict(batch_of(deployments))
        for at, place in enumerate(places):
            answers[place] |= _cells(predicted, at, deployments[at].output_tokens)
    return answers


def _impossible(deployment: Deployment) -> str | None:
    """Why it cannot run whatever its memory. With more `tp` x `pp` x `dp` than devices it is the
    experts that are split over `tp`, and each device has whole attention layers.
    """
    ranks = deployment.tensor_parallel * deployment.pipeline_parallel * deployment.data_parallel
    shards = deployment.tensor_parallel if ranks <= deployment.count else 1
    return impossible(
        deployment.device, deployment.weights, deployment.engine, deployment.shape, shards
    )


def _cells(predicted: Prediction, at: int, output_tokens: float) -> dict[str, str]:
    if not predicted.fits[at]:
        need, have = predicted.need_gib[at], predicted.have_gib[at]
        return {"fits": "no", "reason": f"needs {need:.1f} GiB of {have:.1f} GiB per device"}
    return {
        "fits": "yes",
        **_band("out_tok_s", predicted.output_tokens_per_s, at),
        **_band("ttft_ms", predicted.ttft_ms, at),
        # time per token after the first: there is none where no token follows it
        **(_band("tpot_ms", predicted.tpot_ms, at) if output_tokens > 1 else {}),
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
        ValueError: a cell is no number, or missing, or none of the words for it.
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
    pipeline = _degree(row, "pp") or 1
    data = _degree(row, "dp") or 1
    count = _degree(row, "n_gpus") or (_degree(row, "tp") or 1) * pipeline * data
    tensor = _degree(row, "tp") or max(1, count // pipeline)
    load = _load(row)
    version = row.get("engine_version") or ""
    year = release_year(engine_facts.name, version)
    return Deployment(
        shape=shape,
        device=hardware,
        engine=engine_facts,
        weights=weights,
        count=count,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        expert_parallel=_experts(row, count),
        data_parallel=data,
        kv_bits=_kv_bits(row),
        load=load,
        input_tokens=_needed(row, "isl", "the tokens of a prompt"),
        output_tokens=_needed(row, "osl", "the tokens of an answer"),
        concurrency=_in_flight(row, load),
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


def _kv_bits(row: Row) -> float:
    name = _word(row, "kv_cache_dtype")
    if name in CACHE_DEFAULTS:
        return CACHE_BITS
    if name not in KV_BITS:
        raise ValueError(f"{_cell(row, 'kv_cache_dtype')}, none of auto, {', '.join(KV_BITS)}")
    return KV_BITS[name]


def _load(row: Row) -> Load:
    """The mode that is named; without a name, the one whose number is given."""
    name = _word(row, "load_mode")
    if not name:
        in_flight, rate = _number(row, "concurrency"), _number(row, "request_rate")
        if in_flight and not rate:
            return Load.CLOSED
        if not in_flight and (rate or _at_once(row)):
            return Load.OPEN
        given = "both concurrency and request_rate are" if rate else "neither is"
        raise ValueError(f"load_mode is empty, and {given} given; write one of {', '.join(LOADS)}")
    for word, load in LOADS.items():
        if name.startswith(word):
            return load
    raise ValueError(f"{_cell(row, 'load_mode')}, none of {', '.join(LOADS)}")


def _in_flight(row: Row, load: Load) -> float | None:
    """Requests in flight, where the load or the row says."""
    if load in (Load.CLOSED, Load.STATIC, Load.BURST):
        return _needed(row, "concurrency", "the requests in flight")
    found = _number(row, "concurrency")
    if load == Load.SINGLE and found is None:
        return 1.0
    if load == Load.OPEN and found is None and not _at_once(row):
        _needed(row, "request_rate", "the requests per second")
    return found


def _experts(row: Row, count: int) -> int:
    """A degree, or `ep`: over all devices. Never more shards than devices."""
    if row.get("ep", "").strip().lower() == "ep":
        return count
    value = _number(row, "ep")
    return min(count, max(1, round(value))) if value else 1


def _degree(row: Row, column: str) -> int | None:
    value = _number(row, column)
    return None if value is None else max(1, round(value))


def _needed(row: Row, column: str, meaning: str) -> float:
    value = _number(row, column)
    if value is None:
        raise ValueError(f"{_cell(row, column)}; write {meaning}")
    return value


def _at_once(row: Row) -> bool:
    """A rate without end: all requests arrive together."""
    return _word(row, "request_rate").lstrip("+") in ("inf", "infinity")


def _word(row: Row, column: str) -> str:
    return (row.get(column) or "").strip().lower()


def _cell(row: Row, column: str) -> str:
    text = (row.get(column) or "").strip()
    return f"{column} is {text!r}" if text else f"{column} is empty"


def _number(row: Row, column: str) -> float | None:
    """The cell's number; `None` where it is not known, for which tables write nothing, 0 or nan."""
    text = row.get(column) or "0"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column} is no number: {text!r}") from None
    if column == "request_rate" and value == math.inf:
        return None
    if not value or math.isnan(value):
        return None
    if not 0 < value <= MOST:
        raise ValueError(f"{column} is {text!r}, not above 0 and up to {MOST:g}")
    return value
