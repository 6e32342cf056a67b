"""Rooflines and queues against hand-made numbers, before any correction."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import known_shapes
from paceline.plan.predict import Deployment, Load, batch_of
from paceline.plan.predict.batching import RUN_REQUESTS, Physics, physics
from paceline.plan.predict.columns import counted
from paceline.plan.predict.placement import placement
from paceline.plan.predict.roofline import MEMORY_EFFICIENCY, coverage

SINGLE = Deployment(
    shape=known_shapes()["meta-llama/Llama-2-7b-hf"],
    device=tables.device("A100-SXM-80GB"),
    engine=tables.engine("llama.cpp"),
    weights=tables.weight_format("fp16"),
    count=1,
    tensor_parallel=1,
    pipeline_parallel=1,
    expert_parallel=1,
    data_parallel=1,
    kv_bits=16,
    load=Load.SINGLE,
    input_tokens=128,
    output_tokens=128,
    concurrency=1,
    requests_per_s=None,
    release_year=None,
)


def seen(item: Deployment) -> Physics:
    batch = batch_of([item])
    counts = counted(batch)
    return physics(batch, counts, placement(batch, counts))


def test_one_stream_reads_all_weights_for_every_token() -> None:
    weights = 6.607e9 * 2  # without the input embedding
    expected = weights / (2039e9 * MEMORY_EFFICIENCY)
    assert float(seen(SINGLE).decode.weights_s[0]) == pytest.approx(expected, rel=0.01)


def test_two_devices_that_take_turns_are_no_faster_than_one() -> None:
    two = replace(SINGLE, count=2, tensor_parallel=2)
    assert float(seen(two).out_tok_s[0]) <= float(seen(SINGLE).out_tok_s[0]) * 1.001


def test_two_devices_that_split_layers_are_faster_than_one() -> None:
    item = replace(SINGLE, engine=tables.engine("vllm"))
    two = replace(item, count=2, tensor_parallel=2)
    assert float(seen(two).tpot_ms[0]) < 0.8 * float(seen(item).tpot_ms[0])


def test_replicas_multiply_throughput() -> None:
    item = replace(SINGLE, engine=tables.engine("vllm"), load=Load.CLOSED, concurrency=16)
    four = replace(item, count=4, data_parallel=4, concurrency=64)
    assert float(seen(four).out_tok_s[0]) == pytest.approx(4 * float(seen(item).out_tok_s[0]))


def test_few_tokens_touch_few_experts() -> None:
    one, many = (
        coverage(np.array([128.0]), np.array([8.0]), np.array([1.0])),
        coverage(np.array([128.0]), np.array([8.0]), np.array([256.0])),
    )
    assert float(one[0]) == pytest.approx(8 / 128)
    assert float(many[0]) > 0.99


def test_requests_beyond_memory_wait() -> None:
    item = replace(
        SINGLE, engine=tables.engine("vllm"), load=Load.CLOSED, concurrency=4096.0,
        input_tokens=2048, output_tokens=2048,
    )  # fmt: skip
    crowded, calm = seen(item), seen(replace(item, concurrency=8.0))
    assert float(crowded.waiting_share[0]) > 0.5
    assert float(crowded.ttft_ms[0]) > 10 * float(calm.ttft_ms[0])


def test_an_open_loop_holds_as_many_requests_as_littles_law_says() -> None:
    item = replace(
        SINGLE, engine=tables.engine("vllm"), load=Load.OPEN, concurrency=None, requests_per_s=2.0
    )
    found = seen(item)
    in_flight = 2.0 * float(found.ttft_ms[0] + 128 * found.tpot_ms[0]) / 1000
    assert float(found.running[0]) == pytest.approx(max(1.0, in_flight), rel=0.4)
    assert float(found.out_tok_s[0]) == pytest.approx(256.0)


def test_beyond_capacity_the_wait_is_that_of_a_fluid_queue_of_one_run() -> None:
    item = replace(
        SINGLE, engine=tables.engine("vllm"), load=Load.OPEN, input_tokens=512, output_tokens=512,
        concurrency=None,
    )  # fmt: skip
    capacity = float(seen(replace(item, requests_per_s=1e5)).out_tok_s[0]) / 512
    for overload in (1.5, 3.0, 1e4):
        found = seen(replace(item, requests_per_s=overload * capacity))
        room = float(found.running[0])
        arrived_s = RUN_REQUESTS / (overload * capacity)
        left = RUN_REQUESTS - capacity * max(0.0, arrived_s - room / capacity)
        wait_s = (left - room) ** 2 / (2 * left * capacity)
        assert float(found.ttft_ms[0]) / 1000 == pytest.approx(wait_s, rel=0.25)


def test_a_rate_a_little_above_capacity_waits_a_little_longer() -> None:
    item = replace(
        SINGLE, engine=tables.engine("vllm"), load=Load.OPEN, input_tokens=512, output_tokens=512,
        concurrency=None,
    )  # fmt: skip
    capacity = float(seen(replace(item, requests_per_s=1e5)).out_tok_s[0]) / 512
    waits_ms = [
        float(seen(replace(item, requests_per_s=capacity * (0.9 + 0.01 * i))).ttft_ms[0])
        for i in range(40)
    ]
    assert (np.diff(waits_ms) > 0).all()
    assert np.diff(np.log(waits_ms)).max() < np.log(1.3)


def test_a_queue_grows_smoothly_where_memory_runs_out() -> None:
    """The room for sequences is an estimate: one more in flight must not multiply the wait."""
    item = replace(
        SINGLE, engine=tables.engine("vllm"), load=Load.CLOSED, input_tokens=2048,
        output_tokens=2048,
    )  # fmt: skip
    waits_ms = [float(seen(replace(item, concurrency=c)).ttft_ms[0]) for c in range(4, 128)]
    steps = np.diff(np.log(waits_ms))
    assert (steps > 0).all()
    assert steps.max() < np.log(2)
    assert waits_ms[-1] > 20 * waits_ms[0]
