"""Estimates in words and JSON, and budgets that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.budget import (
    estimate_document,
    estimate_text,
    estimated,
    refuse_too_small,
    refuse_unpriced,
)
from paceline.app.places import Places
from paceline.app.planning import Planned
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.records.plan import Plan
from paceline.records.race import Estimate
from paceline.records.request import Budget, DevicePrice
from paceline.records.run import RunRecord, RunState
from paceline.testing.builders import a_cpu, a_model, a_request, a_trial, a_variant
from paceline.units import Seconds, Usd

FOUND = Estimate(least_s=36.0, likely_s=180.0, most_s=720.0, variants=11, seen=True)
REQUEST = replace(a_request(), price_usd_per_hour=2.0)
PLAN = Plan(baseline=a_variant(), variants=(a_variant(),), rejected=())


def with_budget(seconds: float | None = None, usd: float | None = None) -> Budget:
    return Budget(
        seconds=None if seconds is None else Seconds(seconds), usd=None if usd is None else Usd(usd)
    )


def test_an_estimate_is_in_time_and_money() -> None:
    document = estimate_document(FOUND, REQUEST)
    assert document["seconds"] == {"least": 36.0, "likely": 180.0, "most": 720.0}
    assert document["usd"] == pytest.approx({"least": 0.02, "likely": 0.1, "most": 0.4})
    assert estimate_text(FOUND, REQUEST) == (
        "about 3 min, $0.1 for 11 variants (all of them whole: 12 min); from earlier trials here"
    )


def test_without_a_price_there_is_no_money_in_it() -> None:
    free = replace(REQUEST, price_usd_per_hour=None)
    assert estimate_document(FOUND, free)["usd"] is None
    assert "$" not in estimate_text(FOUND, free)


@pytest.mark.parametrize(("cpu_model", "seen"), [(None, True), ("Another CPU", False)])
def test_trials_of_another_machine_say_nothing_of_how_long_one_takes_here(
    tmp_path: Path, cpu_model: str | None, seen: bool
) -> None:
    places = Places(data=tmp_path / "data", cache=tmp_path / "cache")
    places.data.mkdir()
    shop = Workshop(places, ManualClock())
    plan = Plan(baseline=a_variant(), variants=(a_variant(),), rejected=())
    planned = Planned(model=a_model(), accelerators=(a_cpu(),), plan=plan)
    here = shop.host.fingerprint()
    run = RunRecord(
        run_id="20261121-000000-0001",
        request=REQUEST,
        model=planned.model,
        software_version="0",
        created_at_utc="2026-11-21T00:00:00+00:00",
        host=replace(here, cpu_model=cpu_model or here.cpu_model),
    )
    shop.store.create_run(run)
    with shop.store.write_run(run.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        writer.save_trial(a_trial(a_variant(), wall_s=900.0))
    found = estimated(REQUEST, planned, shop)
    assert (found.seen, found.least_s == 900.0) == (seen, seen)


def test_no_run_is_expected_to_outlast_its_budget() -> None:
    short = replace(REQUEST, budget=with_budget(seconds=60))
    assert estimate_text(FOUND, short).startswith("about 1 min, ")


@pytest.mark.parametrize(
    ("budget", "both"),
    [
        (with_budget(seconds=30), ("36 s", "30 s")),
        (with_budget(usd=0.01), ("36 s", "$0.01 at $2/h, 18 s")),
        (with_budget(seconds=600, usd=0.01), ("36 s", "18 s")),
    ],
)
def test_a_budget_without_room_for_the_baseline_is_refused(
    budget: Budget, both: tuple[str, str]
) -> None:
    with pytest.raises(SpecError) as refused:
        refuse_too_small(replace(REQUEST, budget=budget), FOUND)
    assert refused.value.code is Code.BUDGET_TOO_SMALL
    assert all(figure in refused.value.why for figure in both)


def test_a_budget_with_room_is_fine_and_none_is_too() -> None:
    roomy = replace(REQUEST, budget=with_budget(seconds=40, usd=0.03))
    assert roomy.budget.seconds is not None
    assert roomy.budget.seconds >= FOUND.least_s
    refuse_too_small(roomy, FOUND)
    refuse_too_small(REQUEST, FOUND)


def test_money_is_refused_where_something_to_measure_has_no_price() -> None:
    cpu = DevicePrice(accelerator="cpu", usd_per_hour=0.2, source=None)
    priced = replace(REQUEST, price_usd_per_hour=None, prices=(cpu,))
    paid = replace(priced, budget=with_budget(usd=5))
    refuse_unpriced(paid, PLAN)
    on_card = replace(a_variant(), accelerator="NVIDIA-Graphics-Device")
    mixed = replace(PLAN, variants=(*PLAN.variants, on_card))
    refuse_unpriced(priced, mixed)
    with pytest.raises(SpecError, match="needs a price") as refused:
        refuse_unpriced(paid, mixed)
    assert "what an hour of NVIDIA-Graphics-Device costs" in refused.value.why
    assert "--price" in refused.value.fix


def test_the_dearest_price_of_a_plan_counts() -> None:
    dear = replace(FOUND, usd_per_hour=20.0)
    assert estimate_document(dear, REQUEST)["usd"] == pytest.approx(
        {"least": 0.2, "likely": 1.0, "most": 4.0}
    )
    with pytest.raises(SpecError, match="cannot hold the baseline"):
        refuse_too_small(replace(REQUEST, budget=with_budget(usd=0.03)), dear)
