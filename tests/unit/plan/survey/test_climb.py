"""The highest load is the same however many rows are looked at together."""

from datetime import date

import numpy as np
import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import known_shapes
from paceline.plan.survey.choose import axes_of
from paceline.plan.survey.climb import FEW, Climb
from paceline.plan.survey.field import Field, survey
from paceline.plan.survey.pricing import quotes
from paceline.records.request import Priority, Request
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_request

SHAPE = known_shapes()["meta-llama/Llama-3.3-70B-Instruct"]
LIMITS = ("ttft p95 <= 2s", "tpot mean <= 30ms")


def a_field(*hardware: str, priority: Priority = Priority.COST) -> tuple[Field, Request]:
    request = a_request(*(parse_constraint(text) for text in LIMITS), priority=priority)
    axes = axes_of(SHAPE, hardware=hardware, formats=("bf16", "fp8", "awq"), engines=("vllm",))
    prices = quotes(tables.prices(), date(2026, 11, 21))
    return survey(axes, request, prices).field, request


def test_many_rows_climb_as_far_as_few_at_a_time() -> None:
    field, request = a_field("h100-sxm", "h200", "a100-sxm-80gb", priority=Priority.THROUGHPUT)
    climb = Climb(field.axes, request, request.constraints)
    count = len(field.rows)
    assert count > FEW
    for start in range(0, count, FEW):
        few = np.arange(start, min(start + FEW, count))
        in_flight, most = climb.highest(
            field.rows.take(few),
            field.usd_per_hour[few],
            field.at_once[few],
            {name: band.take(few) for name, band in field.now.items()},
        )
        assert in_flight.tolist() == field.in_flight[few].tolist()
        assert most.value == pytest.approx(field.most.value[few], rel=1e-4)


def test_in_an_order_by_cost_what_has_no_price_does_not_climb() -> None:
    field, request = a_field("h100-sxm", "mi355x")
    unpriced = np.isnan(field.usd_per_hour)
    assert unpriced.any()
    assert (field.in_flight[unpriced] <= request.workload.concurrency).all()
    assert (field.in_flight[~unpriced] > request.workload.concurrency).any()


def test_where_nothing_has_a_price_everything_climbs() -> None:
    field, request = a_field("mi355x")
    assert np.isnan(field.usd_per_hour).all()
    assert (field.in_flight > request.workload.concurrency).any()
