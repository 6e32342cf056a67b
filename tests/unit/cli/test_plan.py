"""`paceline plan` says what `optimize` would do, so it takes what `optimize` takes."""

import inspect
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paceline.app.places import Places
from paceline.app.planning import Planned, with_price
from paceline.app.wiring import Workshop
from paceline.cli.main import build
from paceline.cli.optimize import optimize
from paceline.cli.plan import plan
from paceline.plan.price import local_prices
from paceline.records.plan import Plan
from paceline.records.request import DevicePrice
from paceline.testing.builders import a_cpu, a_model, a_request, a_variant
from paceline.testing.stores import a_run

PLAN = Plan(baseline=a_variant(), variants=(a_variant(),), rejected=())
OF_MEASURING = {"resume", "dry_run", "share_device"}
OF_RENTING = {"market"}
ITS_OWN_HELP = {"model", "engine", "hardware"}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    return Places(data=tmp_path / "data", cache=tmp_path / "cache")


def test_it_takes_what_optimize_takes() -> None:
    measured = inspect.signature(optimize, eval_str=True).parameters
    planned = inspect.signature(plan, eval_str=True).parameters
    assert planned.keys() - OF_RENTING == measured.keys() - OF_MEASURING
    for name in planned.keys() - OF_RENTING - ITS_OWN_HELP:
        assert planned[name] == measured[name], name


@pytest.mark.usefixtures("places")
def test_its_options_become_the_request(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("accelerator,usd_per_device_hour\ncpu,0.5\n")
    words = ["plan", "reference", "--engine", "fake", "--pipeline", "x", "--seed", "3"]
    words += ["--beside", "under-load", "--prices", str(prices), "--json"]
    done = CliRunner().invoke(build("plan"), words)
    assert done.exit_code == 0, done.output
    request = json.loads(done.stdout)["request"]
    assert (request["pipeline"], request["seed"]) == ("x", 3)
    assert request["beside"] == ["under-load"]
    assert request["price_usd_per_hour"] == 0.5
    assert [price["accelerator"] for price in request["prices"]] == ["cpu"]


def test_it_plans_an_earlier_run_with_changes(places: Places) -> None:
    places.data.mkdir()
    run = replace(a_run(), request=replace(a_request(), model="reference"))
    Workshop(places).store.create_run(run)
    words = ["plan", "cheaper", "--from", run.run_id, "--engine", "fake", "--price", "2", "--json"]
    done = CliRunner().invoke(build("plan"), words)
    assert done.exit_code == 0, done.output
    request = json.loads(done.stdout)["request"]
    assert (request["priority"], request["price_usd_per_hour"]) == ("cost", 2.0)
    assert "changed: priority cost" in done.stderr


def test_a_price_of_the_user_stays_and_one_of_a_table_is_by_accelerator() -> None:
    prices = local_prices((), (a_cpu(),), date(2026, 11, 21))
    planned = Planned(model=a_model(), accelerators=(a_cpu(),), plan=PLAN, prices=prices)
    own = replace(a_request(), prices=(DevicePrice(accelerator="x", usd_per_hour=1, source=None),))
    assert with_price(own, planned) == replace(own, prices=())
    earlier = replace(a_request(), price_source="a table")
    found = with_price(earlier, planned)
    assert (found.price_usd_per_hour, found.price_source, found.prices) == (None, None, prices)
