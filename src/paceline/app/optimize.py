"""One run: request → plan → trials → ranking → receipt → version, stored as it goes."""

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from paceline import __version__
from paceline.app.budget import estimated, refuse_too_small, refuse_unpriced
from paceline.app.campaign import CANCEL, Campaign
from paceline.app.exams import find_exams
from paceline.app.planning import Planned, plan_request, with_price
from paceline.app.quotas import refuse_if_late, refuse_over_quota
from paceline.app.serving.devices import measuring_alone
from paceline.app.validation import without_invalid
from paceline.app.watch import Watch
from paceline.app.wiring import Workshop
from paceline.errors import CapacityError, Code, PacelineError, SpecError
from paceline.records.audit import LOCAL
from paceline.records.request import Request
from paceline.records.run import (
    AuditEvent,
    RunRecord,
    RunState,
    run_id_of,
)
from paceline.records.trial import TrialRecord


def start_run(request: Request, shop: Workshop, watch: Watch) -> RunRecord:
    """Plan, measure, rank. Returns the finished (or cancelled) run.

    Raises what planning raises before anything is stored, and SpecError `budget-too-small`.
    """
    planned = plan_request(request, shop)
    return begin_run(with_price(request, planned), planned, shop, watch)


def begin_run(
    request: Request,
    planned: Planned,
    shop: Workshop,
    watch: Watch,
    *,
    carried: Sequence[TrialRecord] = (),
    redirected_from: str | None = None,
    changes: tuple[str, ...] = (),
) -> RunRecord:
    """Store a planned run and work on it. `carried` are trials of an earlier run that hold for it.

    Raises SpecError when the budget cannot hold what the run must measure, CapacityError when
    something else uses its devices.
    """
    refuse_over_quota(shop.workspace, shop)
    with _devices(planned, shop):
        return _begin(
            request,
            planned,
            shop,
            watch,
            carried=carried,
            redirected_from=redirected_from,
            changes=changes,
        )


def _begin(
    request: Request,
    planned: Planned,
    shop: Workshop,
    watch: Watch,
    *,
    carried: Sequence[TrialRecord],
    redirected_from: str | None,
    changes: tuple[str, ...],
) -> RunRecord:
    find_exams(request, planned.model, shop.suites)  # a missing file is said before a run exists
    _recover(shop)
    refuse_unpriced(request, planned.plan)
    estimate = estimated(request, planned, shop)
    if not any(trial.variant == planned.plan.baseline for trial in carried):
        refuse_too_small(request, estimate)
    started_s = shop.clock.monotonic_s()  # asking engines takes their time, of the same budget
    planned = without_invalid(planned, shop, say=watch.phase)
    now = shop.clock.utc_now()
    run = RunRecord(
        run_id=run_id_of(now, secrets.token_hex(2)),
        request=request,
        model=planned.model,
        software_version=__version__,
        created_at_utc=now.isoformat(timespec="seconds"),
        plan=planned.plan,
        host=shop.host.fingerprint(),
        estimate=estimate,
        redirected_from=redirected_from,
        changes=changes,
        workspace=shop.workspace,
    )
    shop.store.create_run(run)
    _give_back_if_late(run, shop)
    if carried:
        with shop.store.write_run(run.run_id) as writer:
            for trial in carried:
                writer.save_trial(trial)
    return _work(run, planned, shop, watch, started_s=started_s)


def _give_back_if_late(run: RunRecord, shop: Workshop) -> None:
    """Runs that began at the same moment were all let in; those above the quota end here."""
    try:
        refuse_if_late(run, shop)
    except CapacityError as error:
        with shop.store.write_run(run.run_id) as writer:
            writer.move(RunState.PLANNED, RunState.FAILED, detail=f"{error.what} [{error.code}]")
        raise


def resume_run(run_id: str, shop: Workshop, watch: Watch) -> RunRecord:
    """Go on with a run that was killed or cancelled; trials that ended are kept.

    Raises SpecError for an unknown or finished run and for a model that has changed since,
    CapacityError when another process is at it.
    """
    _recover(shop)
    run = shop.store.run(run_id)
    if run.state is RunState.FINISHED:
        raise SpecError(
            Code.BAD_OPTION,
            f"run {run.run_id} is finished",
            why="only a run that was killed, cancelled or failed can be resumed",
            fix=f"paceline runs show {run.run_id}",
        )
    refuse_over_quota(run.workspace, shop, counted=run.state is not RunState.FAILED)
    model = shop.hub.find(run.model.source or run.request.model)
    if model.sha256 != run.model.sha256:
        raise SpecError(
            Code.BAD_MODEL,
            f"the model of run {run.run_id} has changed",
            why=f"its files hashed to {run.model.sha256[:12]}, now to {model.sha256[:12]}",
            fix="start a new run, or put the model back",
        )
    planned = plan_request(run.request, shop, model=model)
    kept = replace(planned, plan=run.plan or planned.plan)
    with _devices(kept, shop):
        return _work(run, kept, shop, watch)


def _work(
    run: RunRecord,
    planned: Planned,
    shop: Workshop,
    watch: Watch,
    *,
    started_s: float | None = None,
) -> RunRecord:
    with shop.store.write_run(run.run_id) as writer:
        before = shop.store.run(run.run_id).state
        if before is not RunState.RUNNING:  # a killed run still says that it is running
            writer.move(before, RunState.RUNNING)
        try:
            watch.planned(run, planned.plan)
            campaign = Campaign(run, planned, shop, writer, watch, started_s=started_s)
            stop = campaign.measure()
        except KeyboardInterrupt:
            writer.move(RunState.RUNNING, RunState.CANCELLED, detail="interrupted")
            watch.stopped(run)
            raise
        except PacelineError as error:
            writer.move(RunState.RUNNING, RunState.FAILED, detail=f"{error.what} [{error.code}]")
            raise
        if campaign.cancelled():
            writer.move(RunState.RUNNING, RunState.CANCELLED, detail="cancelled by request")
            watch.stopped(run)
            return shop.store.run(run.run_id)
        campaign.finish(stop)
    return shop.store.run(run.run_id)


def _devices(planned: Planned, shop: Workshop) -> AbstractContextManager[None]:
    names = {variant.accelerator for variant in planned.plan.variants}
    return measuring_alone(shop.places.data / "devices", names, share=shop.share_device)


def _recover(shop: Workshop) -> None:
    """End what a killed Paceline left behind, before this one measures beside it."""
    shop.executor.sweep()


def cancel_run(run_id: str, shop: Workshop) -> RunRecord:
    """Stop a run: at once when nobody works on it, else within the trial under way.

    Raises SpecError for an unknown or ended run.
    """
    run = shop.store.run(run_id)
    if run.state not in (RunState.PLANNED, RunState.RUNNING):
        raise SpecError(
            Code.BAD_OPTION,
            f"run {run.run_id} cannot be cancelled",
            why=f"it is {run.state.value} already",
            fix=f"paceline runs show {run.run_id}",
        )
    try:
        with shop.store.write_run(run.run_id) as writer:
            writer.move(run.state, RunState.CANCELLED, detail="cancelled by request")
    except CapacityError:  # a process is at work on it and looks for this event
        now = shop.clock.utc_now().isoformat(timespec="seconds")
        shop.store.note(
            AuditEvent(at_utc=now, kind=CANCEL, detail="by command", run_id=run.run_id, actor=LOCAL)
        )
    return shop.store.run(run.run_id)
