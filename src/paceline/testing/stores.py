"""What every store must do."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from paceline.errors import CapacityError, Code, SpecError
from paceline.ports.store import StaleWrite, Store
from paceline.records.launch import Cause
from paceline.records.plan import Plan
from paceline.records.ranking import Advice, Ranking
from paceline.records.run import AuditEvent, RunRecord, RunResult, RunState, TrialTransition
from paceline.records.trial import BlobRef, TrialState
from paceline.records.variant import Rejection, RejectionReason
from paceline.records.version import FailureFact, Version
from paceline.testing.builders import a_host, a_metric, a_model, a_request, a_trial, a_variant

NOON = "2026-01-01T12:00:00+00:00"
BASELINE = a_variant()
RIVAL = a_variant("openvino", "int8", knobs=(("batch", 8), ("cache", True), ("share", 1.0)))


def a_run(run_id: str = "20260101-120000-ab12") -> RunRecord:
    """A run that is stored and not begun."""
    return RunRecord(
        run_id=run_id,
        request=a_request(),
        model=a_model(),
        software_version="0.1.0",
        created_at_utc=NOON,
    )


def a_plan() -> Plan:
    """Two variants to measure and one that is out."""
    out = Rejection(
        variant=a_variant("openvino", "int4"),
        reason=RejectionReason.DOES_NOT_FIT,
        detail="weights and cache",
        have="40.5 GiB",
        need="93.1 GiB",
    )
    return Plan(baseline=BASELINE, variants=(BASELINE, RIVAL), rejected=(out,))


def a_result() -> RunResult:
    """A ranking without a winner and its receipt."""
    ranking = Ranking(
        baseline=BASELINE.id,
        winner=None,
        tied_with=(),
        ranked=(),
        rejected=(),
        pareto=(),
        advice=(Advice(text="nothing satisfies"),),
        formula="output tokens/s",
    )
    receipt = BlobRef(path="receipts/ab.json", sha256="ab", size_bytes=2)
    return RunResult(ranking=ranking, receipt=receipt)


def a_step(
    trial_id: str, before: TrialState, event: str, after: TrialState, cause: Cause | None = None
) -> TrialTransition:
    """One transition of a trial."""
    return TrialTransition(
        trial_id=trial_id, before=before, event=event, after=after, at_utc=NOON, cause=cause
    )


def a_version(run_id: str, *, pipeline: str = "small") -> Version:
    """The choice of a run, not yet numbered."""
    return Version(
        pipeline=pipeline,
        number=0,
        run_id=run_id,
        variant=RIVAL,
        receipt_sha256="ab",
        created_at_utc=NOON,
    )


GRANTED = a_step("t1", TrialState.QUEUED, "granted", TrialState.PREPARING)
BROKE = a_step("t1", TrialState.PREPARING, "broke", TrialState.ENDED, Cause.OUT_OF_MEMORY)


class StoreContract:
    """Subclass it and give a fixture `store` that yields an empty store."""

    @pytest.fixture
    def run(self, store: Store) -> RunRecord:
        """A stored run."""
        run = a_run()
        store.create_run(run)
        return run

    def test_a_run_reads_back_as_it_was_stored(self, store: Store) -> None:
        run = replace(a_run(), plan=a_plan())
        store.create_run(run)
        assert store.run(run.run_id) == run

    def test_a_run_is_stored_once(self, store: Store, run: RunRecord) -> None:
        with pytest.raises(StaleWrite):
            store.create_run(run)

    def test_runs_are_listed_latest_first(self, store: Store) -> None:
        for day in (2, 3, 1):
            store.create_run(a_run(f"2026010{day}-120000-ab12"))
        assert [run.run_id[:8] for run in store.runs()] == ["20260103", "20260102", "20260101"]
        assert [run.run_id[:8] for run in store.runs(limit=1)] == ["20260103"]

    def test_the_states_of_a_workspaces_runs_are_known_oldest_first(self, store: Store) -> None:
        for day, workspace in (("3", "a"), ("1", "a"), ("2", "b")):
            run = a_run(f"2026010{day}-120000-ab12")
            store.create_run(replace(run, workspace=workspace))
        with store.write_run("20260101") as writer:
            writer.move(RunState.PLANNED, RunState.FAILED)
        assert list(store.run_states("a").items()) == [
            ("20260101-120000-ab12", RunState.FAILED),
            ("20260103-120000-ab12", RunState.PLANNED),
        ]
        assert store.run("20260102").workspace == "b"
        assert store.run_states("default") == {}

    def test_the_beginning_of_an_id_is_enough_when_it_is_clear(self, store: Store) -> None:
        store.create_run(a_run("20260101-120000-ab12"))
        store.create_run(a_run("20260101-120000-ab12-longer"))
        store.create_run(a_run("20260102-120000-ab12"))
        assert store.run("20260102").run_id == "20260102-120000-ab12"
        assert store.run("20260101-120000-ab12").run_id == "20260101-120000-ab12"
        for unclear in ("2026", "2027", "%", "2026010_"):
            with pytest.raises(SpecError) as caught:
                store.run(unclear)
            assert caught.value.code is Code.UNKNOWN_NAME

    def test_a_run_goes_from_planned_to_finished(self, store: Store, run: RunRecord) -> None:
        with store.write_run(run.run_id) as writer:
            assert writer.run_id == run.run_id
            writer.save_plan(a_plan())
            writer.move(RunState.PLANNED, RunState.RUNNING)
            writer.finish(a_result())
        stored = store.run(run.run_id)
        assert (stored.state, stored.plan) == (RunState.FINISHED, a_plan())
        assert stored.result == a_result()
        assert stored.ended_at_utc is not None

    def test_a_stopped_run_says_why_and_can_go_on(self, store: Store, run: RunRecord) -> None:
        with store.write_run(run.run_id) as writer:
            writer.move(RunState.PLANNED, RunState.RUNNING)
            writer.move(RunState.RUNNING, RunState.CANCELLED, detail="interrupted")
            stopped = store.run(run.run_id)
            writer.move(RunState.CANCELLED, RunState.RUNNING)
        resumed = store.run(run.run_id)
        assert (stopped.state, stopped.detail) == (RunState.CANCELLED, "interrupted")
        assert stopped.ended_at_utc is not None
        assert (resumed.state, resumed.detail, resumed.ended_at_utc) == (
            RunState.RUNNING,
            None,
            None,
        )

    def test_a_move_from_another_state_than_expected_changes_nothing(
        self, store: Store, run: RunRecord
    ) -> None:
        with store.write_run(run.run_id) as writer:
            for before, after in (
                (RunState.RUNNING, RunState.CANCELLED),
                (RunState.PLANNED, RunState.PLANNED),
                (RunState.PLANNED, RunState.FINISHED),
            ):
                with pytest.raises(StaleWrite):
                    writer.move(before, after)
            with pytest.raises(StaleWrite):
                writer.finish(a_result())
        assert store.run(run.run_id) == run

    def test_trials_read_back_in_the_order_of_their_end(self, store: Store, run: RunRecord) -> None:
        trials = tuple(
            a_trial(variant, {"ttft_p95_ms": a_metric(123.0)}, repeat=repeat)
            for repeat, variant in ((0, RIVAL), (0, BASELINE), (1, RIVAL))
        )
        with store.write_run(run.run_id) as writer:
            for trial in trials:
                writer.save_trial(trial)
        assert store.trials(run.run_id) == trials
        assert store.trials("20260101-120000-none") == ()

    def test_a_trial_is_stored_once(self, store: Store, run: RunRecord) -> None:
        with store.write_run(run.run_id) as writer:
            writer.save_trial(a_trial(RIVAL))
            with pytest.raises(StaleWrite):
                writer.save_trial(a_trial(RIVAL, wall_s=1.0))
        assert store.trials(run.run_id) == (a_trial(RIVAL),)

    def test_every_step_of_a_trial_is_kept(self, store: Store, run: RunRecord) -> None:
        other = replace(GRANTED, trial_id="t2")
        with store.write_run(run.run_id) as writer:
            for step in (GRANTED, other, BROKE):
                writer.append(step)
        assert store.transitions(run.run_id) == (GRANTED, other, BROKE)

    def test_a_step_from_another_state_than_the_last_is_refused(
        self, store: Store, run: RunRecord
    ) -> None:
        with store.write_run(run.run_id) as writer:
            with pytest.raises(StaleWrite):
                writer.append(BROKE)
            writer.append(GRANTED)
            with pytest.raises(StaleWrite):
                writer.append(GRANTED)
        assert store.transitions(run.run_id) == (GRANTED,)

    def test_a_run_has_one_writer(self, store: Store, run: RunRecord) -> None:
        with store.write_run(run.run_id):
            with pytest.raises(CapacityError) as caught, store.write_run(run.run_id):
                pass
            assert caught.value.code is Code.RUN_BUSY
        with store.write_run(run.run_id) as writer:
            writer.move(RunState.PLANNED, RunState.RUNNING)

    def test_a_running_run_that_nobody_writes_is_abandoned(
        self, store: Store, run: RunRecord
    ) -> None:
        with store.write_run(run.run_id) as writer:
            writer.move(RunState.PLANNED, RunState.RUNNING)
            assert store.abandoned() == frozenset()
        assert store.abandoned() == {run.run_id}
        with store.write_run(run.run_id) as writer:
            writer.finish(a_result())
        assert store.abandoned() == frozenset()

    def test_other_runs_can_be_written_meanwhile(self, store: Store, run: RunRecord) -> None:
        store.create_run(a_run("20260102-120000-cd34"))
        with store.write_run(run.run_id) as one, store.write_run("20260102") as other:
            one.append(GRANTED)
            other.append(GRANTED)
        assert store.transitions(run.run_id) == store.transitions("20260102-120000-cd34")

    def test_a_writer_whose_run_was_taken_over_cannot_write(
        self, store: Store, run: RunRecord
    ) -> None:
        with store.write_run(run.run_id) as old:
            writes: tuple[Callable[[], None], ...] = (
                lambda: old.append(GRANTED),
                lambda: old.save_plan(a_plan()),
                lambda: old.save_trial(a_trial(RIVAL)),
                lambda: old.move(RunState.PLANNED, RunState.RUNNING),
                lambda: old.finish(a_result()),
            )
            with store.write_run(run.run_id, take_over=True) as new:
                for write in writes:
                    with pytest.raises(CapacityError) as caught:
                        write()
                    assert caught.value.code is Code.RUN_BUSY
                new.append(GRANTED)
            with pytest.raises(CapacityError):
                old.append(BROKE)
        assert store.transitions(run.run_id) == (GRANTED,)
        assert store.run(run.run_id) == run

    def test_an_unknown_run_cannot_be_written(self, store: Store) -> None:
        with pytest.raises(SpecError), store.write_run("20260101"):
            pass

    def test_versions_are_numbered_per_pipeline_and_the_latest_is_current(
        self, store: Store
    ) -> None:
        for run_id, pipeline in (("r1", "small"), ("r2", "small"), ("r3", "large")):
            store.add_version(a_version(run_id, pipeline=pipeline))
        assert [(v.number, v.run_id) for v in store.versions("small")] == [(1, "r1"), (2, "r2")]
        assert store.versions("small")[1] == replace(a_version("r2"), number=2)
        assert [(p.name, p.current, p.versions) for p in store.pipelines()] == [
            ("large", 1, 1),
            ("small", 2, 2),
        ]

    def test_a_run_leaves_one_version_however_often_it_is_resumed(self, store: Store) -> None:
        first = store.add_version(a_version("r1"))
        store.add_version(a_version("r2"))
        again = store.add_version(replace(a_version("r1"), receipt_sha256="cd"))
        assert again == first
        assert [(p.current, p.versions) for p in store.pipelines()] == [(2, 2)]

    def test_rolling_back_moves_the_pointer_and_leaves_a_trace(self, store: Store) -> None:
        for run_id in ("r1", "r2"):
            store.add_version(a_version(run_id))
        assert store.rollback("small", 1, at_utc=NOON).run_id == "r1"
        assert [(p.current, p.versions) for p in store.pipelines()] == [(1, 2)]
        assert len(store.versions("small")) == 2
        (event,) = store.events()
        assert (event.kind, event.detail) == ("rolled-back", "current version 2 -> 1")
        assert store.add_version(a_version("r3")).number == 3

    def test_rolling_back_to_what_is_not_there_is_refused(self, store: Store) -> None:
        store.add_version(a_version("r1"))
        for pipeline, number in (("small", 2), ("small", 0), ("large", 1)):
            with pytest.raises(SpecError) as caught:
                store.rollback(pipeline, number, at_utc=NOON)
            assert caught.value.code is Code.UNKNOWN_NAME
        assert store.events() == ()

    def test_versions_of_an_unknown_pipeline_are_an_error(self, store: Store) -> None:
        with pytest.raises(SpecError) as caught:
            store.versions("small")
        assert caught.value.code is Code.UNKNOWN_NAME
        assert store.pipelines() == ()

    def test_the_latest_failure_of_a_variant_on_an_engine_version_counts(
        self, store: Store
    ) -> None:
        fact = FailureFact(
            model_sha256="m1",
            engine_version="1.0",
            variant=RIVAL,
            cause=Cause.CRASHED,
            detail="exit 1",
            run_id="r1",
            at_utc=NOON,
            host=a_host(),
        )
        newer = replace(fact, engine_version="2.0")
        later = replace(fact, cause=Cause.OUT_OF_MEMORY)
        for each in (fact, newer, replace(fact, model_sha256="m2"), later):
            store.add_failure(each)
        assert set(store.failures("m1")) == {newer, later}
        assert store.failures("m3") == ()

    def test_events_are_numbered_and_can_be_followed(self, store: Store) -> None:
        for run_id, pipeline in (("r1", None), ("r2", None), (None, "small"), ("r1", None)):
            store.note(
                AuditEvent(at_utc=NOON, kind="said", detail="", run_id=run_id, pipeline=pipeline)
            )
        numbers = [event.number or 0 for event in store.events()]
        assert numbers == sorted(set(numbers))
        assert [event.number for event in store.events(after=numbers[1])] == numbers[2:]
        assert [event.number for event in store.events(run_id="r1")] == [numbers[0], numbers[3]]
        assert [event.pipeline for event in store.events()] == [None, None, "small", None]
        assert store.events(run_id="r1", after=numbers[3]) == ()
