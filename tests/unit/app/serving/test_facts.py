"""What a version's measurement says to the autoscaler."""

from dataclasses import replace

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.adapters.engines.vllm import Vllm
from paceline.app.serving.facts import (
    embedding_usd_per_mtok,
    measured_concurrency,
    patience_s,
    served_routes,
    ttft_limits,
    usual_cold_start_s,
)
from paceline.deploy.canary import LatencyLimit
from paceline.records.image import ImageLoad
from paceline.records.request import Comparison, Constraint
from paceline.testing.builders import a_metric, a_model, a_request, a_workload


def test_a_closed_loop_names_its_concurrency() -> None:
    assert measured_concurrency(a_workload(concurrency=12), {}) == 12


def test_an_open_loop_is_rate_times_time_in_flight() -> None:
    metrics = {"requests_per_s": a_metric(8.0), "e2e_mean_ms": a_metric(1500.0)}
    assert measured_concurrency(a_workload(rate_rps=10.0), metrics) == 12
    slow = {"requests_per_s": a_metric(0.1), "e2e_mean_ms": a_metric(100.0)}
    assert measured_concurrency(a_workload(rate_rps=0.1), slow) == 1


def test_only_absolute_upper_limits_on_percentiles_of_ttft_bind_a_canary() -> None:
    limit = Constraint(
        metric="ttft", statistic="p95", comparison=Comparison.AT_MOST, limit=200.0, unit="ms"
    )
    others = (
        replace(limit, metric="e2e"),
        replace(limit, statistic="mean"),
        replace(limit, comparison=Comparison.ABOVE),
        replace(limit, limit=1.2, unit="", relative=True),
    )
    (found,) = ttft_limits(a_request(limit, *others))
    assert found == LatencyLimit(share=0.95, limit_s=0.2)


def test_images_have_a_route_and_a_cold_start_budget_of_their_own() -> None:
    text = a_workload()
    images = replace(text, image=ImageLoad(width_px=64, height_px=64))
    generates = ("/v1/chat/completions", "/v1/completions")
    assert served_routes(text, Vllm(), a_model()) == generates
    assert served_routes(text, Fake(), a_model()) == (*generates, "/v1/embeddings")
    assert served_routes(images, Fake(), a_model()) == ("/v1/images/generations",)
    assert (usual_cold_start_s(text), usual_cold_start_s(images)) == (420.0, 240.0)


def test_a_token_to_embed_costs_its_share_of_a_request_until_the_first_token() -> None:
    workload = replace(a_workload(), input_tokens=100, output_tokens=50)
    metrics = {
        "cost_usd_per_mtok": a_metric(2.0),  # 100 USD per million requests
        "ttft_mean_ms": a_metric(51.0),
        "tpot_mean_ms": a_metric(1.0),  # 49 ms in all: 51 % of the time is before
    }
    assert embedding_usd_per_mtok(workload, metrics) == pytest.approx(0.51)
    assert embedding_usd_per_mtok(workload, {}) == 0.0
    assert embedding_usd_per_mtok(replace(workload, input_tokens=0), metrics) == 0.0


def test_slow_pictures_are_waited_for() -> None:
    images = replace(a_workload(), image=ImageLoad(width_px=1024, height_px=1024))
    slow = {"e2e_max_ms": a_metric(30_000.0)}
    assert patience_s(images, slow) == 4 * 4 * 30.0
    assert patience_s(images, {"e2e_max_ms": a_metric(500.0)}) == 120.0
    assert patience_s(a_workload(), slow) is None
