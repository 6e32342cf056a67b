"""Which trials of an earlier run hold under a changed request."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.places import Places
from paceline.app.planning import Planned
from paceline.app.redirect import Reuse, redirected, reusable
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import SpecError
from paceline.records.client import ClientState, ClientVerdict
from paceline.records.plan import Plan
from paceline.records.request import Request
from paceline.records.run import RunRecord, RunState
from paceline.records.samples import Outcome, RequestSample, TokenSource, pack, table_of
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason
from paceline.spec.grammar import parse_constraint
from paceline.spec.read import Asked
from paceline.testing.builders import a_cpu, a_metric, a_model, a_request, a_trial, a_variant

BASE, INT8 = a_variant(), a_variant("fake", "int8")
PLAN = Plan(baseline=BASE, variants=(BASE, INT8), rejected=())
REQUEST = a_request()
PLANNED = Planned(model=a_model(), accelerators=(a_cpu(),), plan=PLAN)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path / "data", cache=tmp_path / "cache"), ManualClock())


def sample(index: int) -> RequestSample:
    sent_s = index * 0.1
    return RequestSample(
        index=index,
        scheduled_s=sent_s,
        sent_s=sent_s,
        chunk_s=(sent_s + 0.02, sent_s + 0.1),
        end_s=sent_s + 0.1,
        input_tokens=16,
        output_tokens=8,
        outcome=Outcome.OK,
        token_source=TokenSource.USAGE,
    )


def an_earlier_run(shop: Workshop, *trials: TrialRecord) -> RunRecord:
    run = RunRecord(
        run_id="20260101-000000-aaaa",
        request=REQUEST,
        model=a_model(),
        software_version="0",
        created_at_utc="2026-01-01T00:00:00+00:00",
        plan=PLAN,
        host=shop.host.fingerprint(),
    )
    shop.places.data.mkdir(parents=True, exist_ok=True)
    shop.store.create_run(run)
    with shop.store.write_run(run.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        for trial in trials:
            writer.save_trial(trial)
    return shop.store.run(run.run_id)


def measured(shop: Workshop) -> TrialRecord:
    """With samples, on the version of the engine that is here."""
    samples = shop.archive.keep(pack(table_of([sample(i) for i in range(50)])), suffix=".npz")
    trial = a_trial(INT8, {"ttft_p50_ms": a_metric(20.0)})
    return replace(trial, samples=samples, provenance=replace(trial.provenance, engine_version="1"))


def reused(
    shop: Workshop,
    request: Request,
    *,
    planned: Planned = PLANNED,
    trial: TrialRecord | None = None,
) -> Reuse:
    run = an_earlier_run(shop, trial or measured(shop))
    return reusable(run, request, planned, shop)


def test_a_trial_that_holds_is_judged_by_the_new_request_and_says_where_it_is_from(
    shop: Workshop,
) -> None:
    request = replace(
        REQUEST, price_usd_per_hour=7.2, constraints=(parse_constraint("ttft p95 <= 30ms"),)
    )
    found = reused(shop, request)
    (trial,) = found.trials
    assert found.refused == ()
    assert trial.origin == "20260101-000000-aaaa"
    assert trial.trial_id.endswith("@20260101-000000-aaaa")
    rate = trial.metrics["output_tokens_per_s"].value
    assert trial.metrics["cost_usd_per_mtok"].value == pytest.approx(7.2 / 3600 / rate * 1e6)
    assert "goodput_requests_per_s" in trial.metrics, "the new limit is counted"


def test_another_engine_version_is_measured_again(shop: Workshop) -> None:
    old = a_trial(INT8)
    old = replace(old, provenance=replace(old.provenance, engine_version="0.9"))
    found = reused(shop, REQUEST, trial=old)
    assert found == Reuse(trials=(), refused=("fake int8: fake was 0.9, is 1",))


@pytest.mark.parametrize(
    ("added_ms", "refused"),
    [
        (0.25, None),
        (0.26, "may have added 0.26 ms, more than 5% of 5 ms"),
        (None, "judged against 20 ms, not against 5 ms, and what it added is not known"),
    ],
)
def test_under_a_tighter_limit_a_trial_holds_if_its_client_added_little_beside_that(
    shop: Workshop, added_ms: float | None, refused: str | None
) -> None:
    tight = replace(REQUEST, constraints=(parse_constraint("ttft p95 <= 5ms"),))
    client = ClientVerdict(verdict=ClientState.OK, added_ms=added_ms)
    found = reused(shop, tight, trial=replace(measured(shop), client=client))
    assert len(found.trials) == (refused is None)
    assert [refused in why for why in found.refused if refused] == [True] * (refused is not None)


def test_what_is_not_wanted_is_left_and_what_was_only_predicted_to_lose_is_kept(
    shop: Workshop,
) -> None:
    for reason, kept in ((RejectionReason.NOT_REQUESTED, 0), (RejectionReason.PREDICTED, 1)):
        out = Rejection(variant=INT8, reason=reason, detail="")
        planned = replace(PLANNED, plan=Plan(baseline=BASE, variants=(BASE,), rejected=(out,)))
        place = Workshop(
            Places(data=shop.places.data / reason, cache=shop.places.cache), ManualClock()
        )
        assert len(reused(place, REQUEST, planned=planned).trials) == kept


def test_another_model_load_or_machine_makes_every_trial_worthless(shop: Workshop) -> None:
    run = an_earlier_run(shop, measured(shop))
    other_load = replace(REQUEST, workload=replace(REQUEST.workload, concurrency=2))
    other_model = replace(run, model=replace(run.model, parameters=7))
    assert run.host is not None
    other_host = replace(run, host=replace(run.host, usable_cores=64.0))
    for earlier, request, named in (
        (run, other_load, "workload"),
        (run, replace(REQUEST, seed=7), "seed was 0, is 7"),
        (replace(run, host=None), REQUEST, "machine"),
        (other_host, REQUEST, "usable_cores was 64.0"),
    ):
        found = reusable(earlier, request, PLANNED, shop)
        assert found.trials == ()
        assert named in found.refused[0]
    assert other_model.model.sha256 == run.model.sha256, "only the files decide"
    assert len(reusable(other_model, REQUEST, PLANNED, shop).trials) == 1


def test_leaving_an_engine_out_brings_in_neither_the_fake_one_nor_what_is_not_installed(
    shop: Workshop,
) -> None:
    run = an_earlier_run(shop)
    with pytest.raises(SpecError, match="nothing is left"):
        redirected(run.run_id, Asked(), "skip vllm", shop)
    named = redirected(run.run_id, Asked(), "only fake", shop)
    assert named.request.engines == ("fake",)
