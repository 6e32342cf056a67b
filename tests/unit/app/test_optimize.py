"""A run's beginning and its unhappy ends: what is stored, and what it says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.optimize import begin_run
from paceline.app.places import Places
from paceline.app.planning import Planned
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, SetupError, SpecError
from paceline.plan.search import Step
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.request import Budget
from paceline.records.run import RunRecord, RunState
from paceline.records.trial import TrialRecord
from paceline.testing.builders import a_cpu, a_model, a_request, a_trial, a_variant
from paceline.units import Usd

BASE = a_variant()
PLANNED = Planned(
    model=replace(a_model(), trained=True, has_chat_template=True),
    accelerators=(a_cpu(),),
    plan=Plan(baseline=BASE, variants=(BASE,), rejected=()),
)


class Quiet:
    """Watches without a word; `break_off` is called once the run is stored."""

    def __init__(self, break_off: Callable[[], None] = lambda: None) -> None:
        self._break_off = break_off

    def redirected(
        self, earlier: RunRecord, changes: Sequence[str], reused: int, refused: Sequence[str]
    ) -> None: ...

    def planned(self, run: RunRecord, plan: Plan) -> None:
        self._break_off()

    def trial_began(self, step: Step, *, spent_s: float, expected_s: float) -> None: ...

    def phase(self, text: str) -> None: ...

    def trial_ended(self, trial: TrialRecord, ranking: Ranking) -> None: ...

    def stopped(self, run: RunRecord) -> None: ...


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    places = Places(data=tmp_path / "data", cache=tmp_path / "cache")
    places.data.mkdir()
    return Workshop(places, ManualClock())


def test_a_suite_that_is_not_there_is_said_before_a_run_is_stored(shop: Workshop) -> None:
    with pytest.raises(SpecError) as raised:
        begin_run(replace(a_request(), suite="nowhere.jsonl"), PLANNED, shop, Quiet())
    assert raised.value.code is Code.BAD_INPUT_FILE
    assert list(shop.store.runs(limit=9)) == []


def test_money_without_a_price_is_refused_also_where_the_baseline_is_carried(
    shop: Workshop,
) -> None:
    paid = replace(a_request(), price_usd_per_hour=None, budget=Budget(usd=Usd(5.0)))
    with pytest.raises(SpecError, match="needs a price"):
        begin_run(paid, PLANNED, shop, Quiet(), carried=[a_trial(BASE, {})])
    assert list(shop.store.runs(limit=9)) == []


def test_a_run_that_an_error_ends_says_so_and_why(shop: Workshop) -> None:
    def broken() -> None:
        raise SetupError(Code.DISK_FULL, "the disk is full", why="0 B left", fix="free some")

    with pytest.raises(SetupError):
        begin_run(a_request(), PLANNED, shop, Quiet(broken))
    (run,) = shop.store.runs(limit=9)
    assert run.state is RunState.FAILED
    assert run.detail == "the disk is full [disk-full]"


class Leaving(Quiet):
    """Ends the run at its first trial."""

    def trial_began(self, step: Step, *, spent_s: float, expected_s: float) -> None:
        self.spent_s = spent_s
        raise KeyboardInterrupt


def test_what_engines_take_to_answer_for_their_command_lines_is_of_the_budget(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(planned: Planned, shop: Workshop, *, say: Callable[[str], None]) -> Planned:
        shop.clock.sleep(30.0)
        return planned

    monkeypatch.setattr("paceline.app.optimize.without_invalid", slowly)
    watch = Leaving()
    with pytest.raises(KeyboardInterrupt):
        begin_run(a_request(), PLANNED, shop, watch)
    assert watch.spent_s == 30.0
