"""Arrivals have the distribution that their name says, and the same seed gives the same plan."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.errors import SpecError
from paceline.records.load_plan import (
    Arrivals,
    LengthKind,
    Lengths,
    LoadShape,
    Message,
    Prompt,
    Stage,
    TraceRow,
)
from paceline.trial.arrivals import plan_load
from paceline.units import Seconds

POISSON = LoadShape(arrivals=Arrivals.POISSON, rate_rps=40.0, requests=4000, seed=3)


def gaps(shape: LoadShape) -> "np.typing.NDArray[np.float64]":
    return np.diff([row.due_s or 0.0 for row in plan_load(shape).rows])


@pytest.mark.parametrize(
    ("shape", "cv"),
    [
        (POISSON, 1.0),
        (replace(POISSON, arrivals=Arrivals.GAMMA, gamma_cv=2.0), 2.0),
        (replace(POISSON, arrivals=Arrivals.GAMMA, gamma_cv=0.5), 0.5),
        (replace(POISSON, arrivals=Arrivals.CONSTANT), 0.0),
    ],
)
def test_gaps_have_their_mean_and_variation(shape: LoadShape, cv: float) -> None:
    found = gaps(shape)
    assert float(found.mean()) == pytest.approx(1 / 40, rel=0.08)
    assert float(found.std() / found.mean()) == pytest.approx(cv, rel=0.08, abs=1e-6)


def test_constant_arrivals_start_at_once() -> None:
    shape = LoadShape(arrivals=Arrivals.CONSTANT, rate_rps=10.0, requests=12)
    assert [row.due_s for row in plan_load(shape).rows] == pytest.approx(
        [number / 10 for number in range(12)]
    )


def test_an_arrival_at_the_end_of_a_stage_belongs_to_the_next_one() -> None:
    shape = LoadShape(arrivals=Arrivals.CONSTANT, rate_rps=1.0, duration_s=Seconds(10.0))
    assert [row.due_s for row in plan_load(shape).rows] == [float(second) for second in range(10)]
    silent_first = (Stage(duration_s=5, level=0.0), Stage(duration_s=5, level=1.0))
    rows = plan_load(LoadShape(arrivals=Arrivals.CONSTANT, stages=silent_first)).rows
    assert [(row.due_s, row.stage) for row in rows] == [(5.0 + k, 1) for k in range(5)]


def test_the_same_shape_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan_load(POISSON) == plan_load(POISSON)
    assert plan_load(POISSON).rows != plan_load(replace(POISSON, seed=4)).rows


def test_other_lengths_do_not_move_arrivals() -> None:
    longer = replace(POISSON, output_tokens=Lengths(kind=LengthKind.EXPONENTIAL, mean=500))
    dues = [row.due_s for row in plan_load(POISSON).rows]
    assert dues == [row.due_s for row in plan_load(longer).rows]


def test_a_duration_bounds_arrivals() -> None:
    shape = replace(POISSON, requests=None, duration_s=Seconds(10.0))
    rows = plan_load(shape).rows
    assert 340 < len(rows) < 460
    assert max(row.due_s or 0.0 for row in rows) < 10.0


def test_stages_and_ramps_change_the_rate() -> None:
    stages = (
        Stage(duration_s=20, level=10),
        Stage(duration_s=20, level=10, end_level=50),
        Stage(duration_s=20, level=50),
    )
    shape = LoadShape(arrivals=Arrivals.POISSON, stages=stages, seed=1)
    plan = plan_load(shape)
    counts = np.bincount([row.stage for row in plan.rows])
    assert counts.tolist() == pytest.approx([200, 600, 1000], rel=0.15)
    ramp = [row.due_s or 0.0 for row in plan.rows if row.stage == 1]
    early = sum(due < 30 for due in ramp)
    assert early / len(ramp) == pytest.approx(1 / 3, abs=0.06)  # 200 of 600 expected
    assert plan.duration_s == pytest.approx(60)


def test_a_constant_ramp_has_its_arrivals_where_the_rate_adds_up() -> None:
    stages = (Stage(duration_s=10, level=0.0, end_level=2.0),)
    rows = plan_load(LoadShape(arrivals=Arrivals.CONSTANT, stages=stages)).rows
    # t²/10 arrivals by time t
    assert [row.due_s for row in rows] == pytest.approx([np.sqrt(10 * k) for k in range(10)])


def test_a_trace_is_followed() -> None:
    trace = (
        TraceRow(t_s=0.0, input_tokens=5, output_tokens=6),
        TraceRow(t_s=1.5, input_tokens=7, output_tokens=8),
    )
    rows = plan_load(LoadShape(arrivals=Arrivals.TRACE, trace=trace)).rows
    assert [(row.due_s, row.input_tokens, row.output_tokens) for row in rows] == [
        (0.0, 5, 6),
        (1.5, 7, 8),
    ]


def test_closed_stages_become_levels() -> None:
    stages = (Stage(duration_s=5, level=2, end_level=8), Stage(duration_s=5, level=8))
    levels = plan_load(LoadShape(stages=stages)).levels
    assert [(level.at_s, level.in_flight, level.ramp) for level in levels] == [
        (0.0, 2, True),
        (5.0, 8, False),
        (5.0, 8, False),
    ]


def test_conversations_have_turns_and_requests_are_counted_one_by_one() -> None:
    turns = Lengths(kind=LengthKind.UNIFORM, mean=3, low=2, high=4)
    plan = plan_load(LoadShape(concurrency=2, requests=50, turns=turns))
    assert len(plan.rows) == 50
    for before, row in zip(plan.rows, plan.rows[1:], strict=False):
        assert row.turn == (before.turn + 1 if row.session == before.session else 0)


def test_every_prompt_is_used_before_any_comes_again() -> None:
    prompts = tuple(Prompt(messages=(Message(role="user", content=str(n)),)) for n in range(10))
    rows = plan_load(LoadShape(concurrency=1, requests=20, prompts=prompts)).rows
    picks = [row.prompt for row in rows]
    assert sorted(picks[:10], key=str) == sorted(picks[10:], key=str)
    assert set(picks[:10]) == set(range(10))


def test_shared_prefixes_come_in_groups() -> None:
    shape = LoadShape(concurrency=1, requests=100, prefix_tokens=10, prefix_groups=4)
    assert {row.prefix_group for row in plan_load(shape).rows} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (LoadShape(requests=5), "no concurrency"),
        (LoadShape(concurrency=2), "no end"),
        (LoadShape(concurrency=2, rate_rps=1.0, requests=5), "both given"),
        (LoadShape(concurrency=0, requests=5), "0 is not above 0"),
        (LoadShape(concurrency=2, requests=0), "0 is not above 0"),
        (LoadShape(arrivals=Arrivals.POISSON, requests=5), "no rate"),
        (
            LoadShape(arrivals=Arrivals.POISSON, rate_rps=1.0, concurrency=2, requests=5),
            "open loop",
        ),
        (LoadShape(arrivals=Arrivals.GAMMA, rate_rps=1.0, requests=5), "CV"),
        (LoadShape(arrivals=Arrivals.TRACE), "trace"),
    ],
)
def test_contradictions_are_refused_with_both_sides(shape: LoadShape, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan_load(shape)
