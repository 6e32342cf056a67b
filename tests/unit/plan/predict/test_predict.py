"""Predictions of many deployments at once against those of each alone."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import known_shapes
from paceline.plan.predict import Deployment, Load, batch_of, predict

DENSE = Deployment(
    shape=known_shapes()["Qwen/Qwen3-32B"],
    device=tables.device("H100-SXM-80GB"),
    engine=tables.engine("vllm"),
    weights=tables.weight_format("fp8"),
    count=2,
    tensor_parallel=2,
    pipeline_parallel=1,
    expert_parallel=1,
    data_parallel=1,
    kv_bits=16,
    load=Load.CLOSED,
    input_tokens=1024,
    output_tokens=256,
    concurrency=16,
    requests_per_s=None,
    release_year=2025.5,
)
ROUTED = replace(DENSE, shape=known_shapes()["Qwen/Qwen3-30B-A3B"])


def test_a_deployment_is_predicted_alike_alone_and_beside_one_of_another_model() -> None:
    """Alone every table has one row, which is not copied; together no table of models has."""
    together = predict(batch_of([DENSE, ROUTED]))
    for at, item in enumerate((DENSE, ROUTED)):
        alone = predict(batch_of([item]))
        assert float(alone.need_gib[0]) == pytest.approx(float(together.need_gib[at]), rel=1e-12)
        for mine, its in (
            (alone.output_tokens_per_s, together.output_tokens_per_s),
            (alone.tpot_ms, together.tpot_ms),
            (alone.ttft_ms, together.ttft_ms),
        ):
            # the correction counts in single precision
            assert float(mine.value[0]) == pytest.approx(float(its.value[at]), rel=1e-4)
            assert float(mine.high[0]) == pytest.approx(float(its.high[at]), rel=1e-4)
    assert not np.isclose(together.tpot_ms.value[0], together.tpot_ms.value[1], rtol=0.05)
