"""Two versions side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.places import Places
from paceline.app.versions import (
    compare_versions,
    comparison_document,
    deployed_policies,
    policy_words,
)
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.records.measurement import Interval, Metric
from paceline.records.ranking import Ranked
from paceline.records.run import RunRecord, RunState
from paceline.records.scaling import Bounds, PacelinePolicy
from paceline.records.variant import Variant
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_request, a_variant, a_workload
from paceline.testing.deployments import an_endpoint
from paceline.testing.stores import a_plan, a_result, a_run, a_version


def tokens_per_s(value: float, half_width: float) -> Metric:
    interval = Interval(lo=value - half_width, hi=value + half_width)
    return Metric(value=value, unit="tokens/s", ci95=interval, n=100)


def finish(
    store: MemoryStore, run: RunRecord, variant: Variant, metrics: dict[str, Metric]
) -> None:
    """A run whose choice is `variant`, and its version."""
    ranked = Ranked(
        variant=variant,
        metrics=metrics,
        verdicts=(),
        quality=None,
        objective=None,
        trials=1,
        rank=1,
        chips=(),
    )
    result = a_result()
    store.create_run(replace(run, plan=a_plan()))
    with store.write_run(run.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        writer.finish(replace(result, ranking=replace(result.ranking, ranked=(ranked,))))
    store.add_version(replace(a_version(run.run_id), variant=variant))


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A pipeline whose second version is quantized, and was measured under a heavier load."""
    store = MemoryStore()
    first = {
        "output_tokens_per_s": tokens_per_s(100.0, 10.0),
        "ttft_p95_ms": a_metric(20.0),
        "e2e_p50_ms": a_metric(1.0),
    }
    second = {
        "output_tokens_per_s": tokens_per_s(150.0, 10.0),
        "ttft_p95_ms": a_metric(10.0),
        "requests_per_s": a_metric(3.0),
    }
    finish(store, a_run("20260101-120000-aa"), a_variant(), first)
    limit = parse_constraint("ttft p95 <= 200ms")
    heavier = replace(a_request(limit, workload=a_workload(concurrency=64)), pipeline="small")
    run = replace(a_run("20260102-120000-aa"), request=heavier)
    finish(store, run, a_variant(format_="int8"), second)
    shop = Workshop(Places(data=tmp_path, cache=tmp_path))
    vars(shop)["store"] = store
    return shop


def test_specs_and_figures_that_both_have_are_put_side_by_side(shop: Workshop) -> None:
    found = compare_versions("small", 1, 2, shop)
    specs = {name: (first, second) for name, first, second in found.specs}
    assert specs["format"] == ("bf16", "int8")
    assert specs["concurrency"][1] == "64"
    assert specs["constraints"] == ("none", "ttft p95 <= 200ms"), "as they are written"
    assert "accelerator" not in specs, "it is the same"
    assert [one.metric for one in found.measured] == ["output_tokens_per_s", "ttft_p95_ms"]


def test_a_change_is_more_than_noise_when_the_intervals_are_apart(shop: Workshop) -> None:
    forth = compare_versions("small", 1, 2, shop).measured[0]
    assert (forth.change, forth.more_than_noise) == (0.5, True)
    same = compare_versions("small", 1, 1, shop)
    assert same.specs == ()
    assert (same.measured[0].change, same.measured[0].more_than_noise) == (0.0, False)


def test_the_document_has_the_intervals(shop: Workshop) -> None:
    document = comparison_document(compare_versions("small", 1, 2, shop))
    measured = document["measured"]
    assert isinstance(measured, list)
    assert measured[0]["second"] == {"value": 150.0, "ci95": [140.0, 160.0], "n": 100}


def test_what_they_were_deployed_with_is_compared_too(shop: Workshop) -> None:
    assert deployed_policies("small", shop) == {}
    endpoint = an_endpoint("small", pipeline="small")
    more = replace(endpoint.policy, bounds=Bounds(max_replicas=9))
    for one in (
        endpoint,
        replace(endpoint, name="beta", aliases=()),
        replace(endpoint, version=2, policy=more),
    ):
        shop.store.deployments.put_endpoint(one)
    specs = compare_versions("small", 1, 2, shop).specs
    assert ("max_replicas at small", "2", "9") in specs
    assert ("policy at beta", "max_replicas 2, idle_timeout_s 30", "not deployed") in specs
    by_version = deployed_policies("small", shop)
    assert [one.endpoint for one in by_version[1]] == ["small", "beta"]
    assert policy_words(PacelinePolicy()) == "as default"


def test_an_unknown_version_is_an_error(shop: Workshop) -> None:
    with pytest.raises(SpecError) as caught:
        compare_versions("small", 1, 3, shop)
    assert caught.value.code is Code.UNKNOWN_NAME
