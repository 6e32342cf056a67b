"""Two runs side by side: named for people, and how their requests differ in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.places import Places
from paceline.app.runs import compare_runs, stored_run, stored_runs
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.records.plan import Plan
from paceline.records.request import Budget, Request
from paceline.records.run import RunRecord, RunState
from paceline.testing.builders import a_metric, a_model, a_request, a_trial, a_variant
from paceline.units import Seconds

BASE = replace(a_variant(), knobs=(("capacity", 16),))


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    places = Places(data=tmp_path / "data", cache=tmp_path / "cache")
    places.data.mkdir()
    return Workshop(places, ManualClock())


def a_run(shop: Workshop, run_id: str, request: Request, tokens_per_s: float) -> None:
    run = RunRecord(
        run_id=run_id,
        request=request,
        model=a_model(),
        software_version="0",
        created_at_utc="2026-01-01T00:00:00+00:00",
        plan=Plan(baseline=BASE, variants=(BASE,), rejected=()),
    )
    shop.store.create_run(run)
    with shop.store.write_run(run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        figures = {"output_tokens_per_s": a_metric(tokens_per_s, "tokens/s", spread=0.01)}
        writer.save_trial(a_trial(BASE, figures))


def test_variants_have_their_label_and_requests_differ_in_words(shop: Workshop) -> None:
    a_run(shop, "first", replace(a_request(), engines=("fake", "vllm")), 100.0)
    a_run(shop, "second", replace(a_request(), budget=Budget(seconds=Seconds(60.0))), 150.0)
    found = compare_runs("first", "second", shop)
    assert found.differences == ("engines: fake, vllm / –", "budget: – / seconds 60.0")
    assert found.rows == ((BASE.label, "output_tokens_per_s", "100", "150", "+50.0%", "yes"),)


def test_a_run_whose_process_is_gone_is_stopped_and_one_that_is_written_runs(
    shop: Workshop,
) -> None:
    a_run(shop, "killed", a_request(), 100.0)
    assert stored_run("killed", shop).state is RunState.STOPPED
    assert stored_run("killed", shop).detail == "its process is gone"
    with shop.store.write_run("killed"):
        assert [run.state for run in stored_runs(shop, limit=9)] == [RunState.RUNNING]
