"""What a run's search did, in JSON and in lines."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from paceline.app.places import Places
from paceline.app.search_report import search_document, search_lines
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.rank import rank
from paceline.records.plan import Plan
from paceline.records.run import RunRecord, RunState
from paceline.records.trial import Cut, PruningCheck
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_model, a_request, a_trial, a_variant

BASE, INT8, INT4 = a_variant(), a_variant("fake", "int8"), a_variant("fake", "int4")
PLAN = Plan(baseline=BASE, variants=(BASE, INT8, INT4), rejected=())
RUN = RunRecord(
    run_id="20260101-000000-bbbb",
    request=replace(a_request(), price_usd_per_hour=3.6),
    model=a_model(),
    software_version="0",
    created_at_utc="2026-01-01T00:00:00+00:00",
    plan=PLAN,
    redirected_from="20260101-000000-aaaa",
    changes=("priority cost (was throughput)",),
)


WIDE = a_variant("fake", "int8", knobs=(("capacity", 16),))
LIMIT = parse_constraint("ttft p95 <= 100ms")


def rate(value: float) -> dict[str, Any]:
    return {"output_tokens_per_s": a_metric(value, "tokens/s", spread=0.01)}


TRIALS = [
    replace(a_trial(BASE, rate(100)), origin="20260101-000000-aaaa", trial_id="old"),
    replace(a_trial(INT8, rate(300)), checked=PruningCheck(thought_at_best=80, needed=120)),
    replace(
        a_trial(INT4, rate(50), wall_s=5),
        cut=Cut(share=0.2, because="out"),
        checked=PruningCheck(thought_at_best=80, needed=120),
    ),
]


def test_costs_origins_early_ends_and_audits_are_told(tmp_path: Path) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    shop.store.create_run(RUN)
    with shop.store.write_run(RUN.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        for trial in TRIALS:
            writer.save_trial(trial)
    ranking = rank(RUN.request, PLAN, TRIALS)
    found = cast("dict[str, Any]", search_document(RUN, ranking, shop))
    assert (found["launches"], found["measured_s"], found["measured_usd"]) == (2, 25.0, 0.025)
    assert [reused["run"] for reused in found["reused"]] == [RUN.redirected_from]
    assert [cut["variant"] for cut in found["ended_early"]] == [INT4.id]
    assert found["understood"] == ["priority cost (was throughput)"]
    verdicts = {c["variant"]: c["rightly_pruned"] for c in found["audit"]["launched"]}
    assert verdicts == {INT8.id: False, INT4.id: True}
    assert search_lines(RUN, ranking, shop) == [
        "search: 2 launches in 25 s, 1 ended early, 1 of run 20260101-000000-aaaa used again",
        "audit: fake int8 was pruned by a guess and measured all the same: wrongly pruned",
        "audit: fake int4 was pruned by a guess and measured all the same: rightly pruned",
    ]


@pytest.mark.parametrize(("ttft_ms", "rightly"), [(200.0, True), (50.0, False), (100.0, None)])
def test_an_audit_of_a_predicted_miss_is_judged_by_its_limit(
    tmp_path: Path, ttft_ms: float, rightly: bool | None
) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    run = replace(RUN, request=a_request(LIMIT), plan=replace(PLAN, variants=(BASE, WIDE)))
    missed = PruningCheck(thought_at_best=150, needed=100, constraint=LIMIT.text)
    figures = {**rate(300), "ttft_p95_ms": a_metric(ttft_ms, spread=0.01)}
    trials = [a_trial(BASE, rate(100)), replace(a_trial(WIDE, figures), checked=missed)]
    shop.store.create_run(run)
    with shop.store.write_run(run.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        for trial in trials:
            writer.save_trial(trial)
    assert run.plan is not None
    ranking = rank(run.request, run.plan, trials)
    found = cast("dict[str, Any]", search_document(run, ranking, shop))
    assert found["audit"]["launched"] == [
        {
            "variant": WIDE.id,
            "constraint": LIMIT.text,
            "thought_at_best": 150,
            "needed": 100,
            "measured": ttft_ms,
            "rightly_pruned": rightly,
        }
    ]
    assert "was predicted to miss `ttft p95 <= 100ms`" in search_lines(run, ranking, shop)[-1]
