"""The measuring part of a run: trial after trial, each stored as it ends."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from paceline.app.artefacts import held, make_room
from paceline.app.checkpoints import give_artefact
from paceline.app.environment import own_environment
from paceline.app.exams import (
    BASELINE_STRETCH,
    Exams,
    find_exams,
    in_flight,
    is_unasked,
    items_needed,
    loaded_in_flight,
    loaded_items,
)
from paceline.app.images import prompts_of, route_of, studio
from paceline.app.planning import Planned
from paceline.app.race import Race, Search, with_variant
from paceline.app.receipts import write_receipt
from paceline.app.references import References
from paceline.app.registry import load_engine
from paceline.app.watch import Watch
from paceline.app.wiring import Workshop
from paceline.money import seconds_for
from paceline.plan.price import dearest
from paceline.plan.search import RULES, Step, Stop, expected_s
from paceline.ports.engine import Engine, Say, TakesBatches
from paceline.ports.store import RunWriter
from paceline.rank import rank
from paceline.records.launch import Artefact, Cause, Environment
from paceline.records.quality import QualityResult
from paceline.records.ranking import Ranking
from paceline.records.run import (
    RunRecord,
    RunResult,
    TrialTransition,
)
from paceline.records.trial import TrialRecord, TrialState
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.records.version import LASTING, FailureFact, Version
from paceline.trial.arrivals import plan_load
from paceline.trial.closeness import ReadingOrder
from paceline.trial.machine import TrialEvent, after
from paceline.trial.order import FirstRung, TrialOrder
from paceline.trial.run import Hold, Rig, TrialRun
from paceline.trial.scoring import SuiteGrader
from paceline.trial.workload import load_shape, rung_shape

CANCEL: Final = "cancel-requested"
"""The audit event by which another process asks a run to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """What trials on one engine share."""

    engine: Engine
    environment: Environment


class _Journal:
    """Stores each step of a trial through the run's writer."""

    def __init__(self, writer: RunWriter, now: Callable[[], str]) -> None:
        self._writer = writer
        self._now = now

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None:
        self._writer.append(
            TrialTransition(
                trial_id=trial_id,
                before=was,
                event=event.value,
                after=after(was, event),
                at_utc=self._now(),
                cause=cause,
            )
        )


class Campaign:
    """The measuring part of a run."""

    def __init__(
        self,
        run: RunRecord,
        planned: Planned,
        shop: Workshop,
        writer: RunWriter,
        watch: Watch,
        *,
        search: Search | None = None,
        started_s: float | None = None,
    ) -> None:
        """`started_s` is the monotonic time from which its budget is spent; `None` is now."""
        self._run = run
        self._request = run.request
        self._planned = planned
        self._shop = shop
        self._writer = writer
        self._watch = watch
        self._race: Search = search or Race(run.request)
        self._plan = planned.plan
        self._trials = list(shop.store.trials(run.run_id))
        self._before = tuple(trial for trial in self._trials if trial.origin is None)
        self._started_s = shop.clock.monotonic_s() if started_s is None else started_s
        self._tools: dict[str, _Tools] = {}
        self._exams = find_exams(run.request, planned.model, shop.suites)
        self._prompts = prompts_of(run.request.workload, self._exams.suite)
        self._references = References(
            self._exams, lambda: self._trials, planned.plan.baseline, shop.archive
        )
        self._seen_events = max(
            (event.number or 0 for event in shop.store.events(run_id=run.run_id)), default=0
        )

    def measure(self) -> Stop:
        """Trial after trial until nothing is left, the budget is spent or someone cancels."""
        while not self.cancelled():
            step = self._race.next(self._plan, self._trials, left_s=self._left_s())
            if isinstance(step, Stop):
                return step
            self._measure_one(step)
        return Stop(because="cancelled")

    def rank(self, rejected: Sequence[Rejection] = ()) -> Ranking:
        """The order so far; `rejected` adds to what the plan already left out."""
        plan = self._plan
        return rank(
            self._request,
            replace(plan, rejected=(*plan.rejected, *rejected)),
            self._trials,
        )

    def finish(self, stop: Stop) -> None:
        """Rank for good, write the receipt, leave a version when something won."""
        over_budget = [
            Rejection(
                variant=variant,
                reason=RejectionReason.OVER_BUDGET,
                detail="no budget left to measure it",
                have=f"{max(0.0, self._left_s() or 0.0):.0f} s",
                need=f"{expected_s(variant, self._trials):.0f} s",
            )
            for variant in stop.left_out
        ]
        pruned = [self._race.rejection(out) for out in stop.pruned]
        ended = (*over_budget, *pruned, *stop.doomed)
        out = {rejection.variant for rejection in ended}
        plan = replace(
            self._plan,
            variants=tuple(v for v in self._plan.variants if v not in out),
            rejected=(
                *(rejection for rejection in self._plan.rejected if rejection.variant not in out),
                *ended,
            ),
        )
        self._writer.save_plan(plan)
        ranking = rank(self._request, plan, self._trials)
        receipt = write_receipt(
            replace(self._run, plan=plan), self._trials, ranking, self._exams, self._shop
        )
        winner = next((r for r in ranking.ranked if r.variant.id == ranking.winner), None)
        if winner is not None:
            self._shop.store.add_version(
                Version(
                    pipeline=self._request.pipeline,
                    number=0,
                    run_id=self._run.run_id,
                    variant=winner.variant,
                    receipt_sha256=receipt.sha256,
                    created_at_utc=self._now(),
                )
            )
        # Last: a run killed before this line is resumed and gets here again, and adding its
        # version twice leaves one.
        self._writer.finish(RunResult(ranking=ranking, receipt=receipt))

    def cancelled(self) -> bool:
        """Whether someone asked this run to stop."""
        events = self._shop.store.events(run_id=self._run.run_id, after=self._seen_events)
        return any(event.kind == CANCEL for event in events)

    def _measure_one(self, step: Step) -> None:
        grown = with_variant(self._plan, step.variant)
        if grown != self._plan:
            self._writer.save_plan(grown)
            self._plan = grown
        self._watch.trial_began(
            step, spent_s=self._spent_s(), expected_s=expected_s(step.variant, self._trials)
        )
        tools = self._tools_for(step.variant.engine)
        trial = TrialRun(
            self._order(step),
            self._rig(tools),
            _Journal(self._writer, self._now),
            say=self._watch.phase,
            cancelled=self.cancelled,
        ).run()
        trial = replace(trial, checked=self._race.check(step, self._plan))
        if trial.cause is Cause.CANCELLED:
            return
        self._writer.save_trial(trial)
        self._trials.append(trial)
        self._remember_failure(trial)
        self._watch.trial_ended(trial, self.rank())

    def _order(self, step: Step) -> TrialOrder:
        request = self._request
        attempts = sum(
            transition.trial_id.startswith(f"{step.variant.id}.{step.repeat}.")
            and transition.event == TrialEvent.GRANTED
            for transition in self._shop.store.transitions(self._run.run_id)
        )
        trial_id = f"{step.variant.id}.{step.repeat}.{attempts}"
        accelerator = next(
            a for a in self._planned.accelerators if a.name == step.variant.accelerator
        )
        unasked = is_unasked(step.variant, self._trials)
        asked = unasked and self._can_be_marked(step.variant)
        exams = self._exams if asked else Exams(suite=None, own=None)
        engine = self._tools_for(step.variant.engine).engine
        places = engine.places(step.variant) if isinstance(engine, TakesBatches) else None
        texts = unasked and request.workload.image is None
        found = self._references.order_for(step.variant, engine) if texts else None
        return TrialOrder(
            trial_id=trial_id,
            variant=step.variant,
            repeat=step.repeat,
            model=self._planned.model,
            accelerator=accelerator,
            plan=plan_load(
                load_shape(request.workload, seed=request.seed + step.repeat, prompts=self._prompts)
            ),
            route=route_of(request.workload),
            pictures=request.workload.image,
            rung=self._rung(step),
            draft=self._planned.draft,
            until_s=self._until_s(step),
            suite=exams.suite,
            own_suite=exams.own,
            long_suite=exams.long,
            garbage_rule=self._exams.garbage(self._baseline_quality()),
            paired_rule=self._exams.paired(request, self._baseline_quality()) if unasked else None,
            quality_concurrency=in_flight(request, places),
            loaded_concurrency=loaded_in_flight(request, places) if unasked else None,
            loaded_items=loaded_items(request),
            quality_share=request.quality_share,
            quality_stretch=BASELINE_STRETCH,
            quality_needed=items_needed(request) if step.variant == self._plan.baseline else 0,
            reading=found if isinstance(found, ReadingOrder) else None,
            no_reading=found if isinstance(found, str) else None,
            constraints=request.constraints,
            price_usd_per_hour=request.usd_per_hour(step.variant),
            seed=request.seed,
            cache=self._shop.places.cache,
            log_path=self._shop.places.logs / self._run.run_id / f"{trial_id}.log",
        )

    def _can_be_marked(self, variant: Variant) -> bool:
        """Pictures are marked beside the baseline's, so without those only its own can be."""
        images = self._request.workload.image is not None
        return not images or variant == self._plan.baseline or bool(self._baseline_quality())

    def _rung(self, step: Step) -> FirstRung | None:
        """A short load first, where the trial may turn out to be out of the race."""
        reach = step.must_reach
        if reach is None:
            return None
        shape = rung_shape(
            self._request.workload,
            seed=self._request.seed + step.repeat,
            share=RULES.rung,
            prompts=self._prompts,
        )
        return FirstRung(
            plan=plan_load(shape),
            share=RULES.rung,
            why_end=lambda so_far: self._race.why_end(
                self._plan, self._trials, so_far, must_reach=reach
            ),
        )

    def _until_s(self, step: Step) -> float | None:
        """When the budget is spent. The baseline's first trial is never cut: without it nothing
        can be said of the others."""
        left_s = self._left_s()
        if left_s is None or (step.variant == self._plan.baseline and not step.repeat):
            return None
        return self._shop.clock.monotonic_s() + left_s

    def _rig(self, tools: _Tools) -> Rig:
        shop = self._shop
        painting = studio(self._request, self._baseline_quality(), shop)
        return Rig(
            engine=tools.engine,
            environment=tools.environment,
            hold=self._hold(tools),
            executor=shop.executor,
            load=shop.load,
            evaluator=painting.evaluator if painting else shop.evaluator,
            grader=painting.grader if painting else SuiteGrader(self._exams.program),
            inspector=painting.inspector if painting else None,
            host=shop.host,
            archive=shop.archive,
            clock=shop.clock,
            telemetry=shop.telemetry,
            reader=shop.reader,
        )

    def _hold(self, tools: _Tools) -> Hold:
        """What each engine loads, by whoever makes it; what is made may push out older ones."""
        shop = self._shop

        def make(order: TrialOrder, say: Say) -> Artefact:
            model, format_ = order.model, order.variant.format
            environment = tools.environment
            return give_artefact(
                tools.engine, model, format_, shop, environment=environment, say=say
            )

        @contextmanager
        def hold(order: TrialOrder, say: Say) -> Iterator[Artefact]:
            with held(lambda: make(order, say), order.cache) as artefact:
                if artefact.prepared_s is not None:
                    make_room(shop, say)
                yield artefact

        return hold

    def _tools_for(self, name: str) -> _Tools:
        if name not in self._tools:
            engine = load_engine(name)
            spec = engine.environment()
            environment = (
                own_environment()
                if spec is None
                else self._shop.environments.install(spec, say=self._watch.phase)
            )
            self._tools[name] = _Tools(engine=engine, environment=environment)
        return self._tools[name]

    def _baseline_quality(self) -> QualityResult | None:
        baseline = self._plan.baseline
        answered = [t.quality for t in self._trials if t.variant == baseline and t.quality]
        return next(iter(answered), None)

    def _remember_failure(self, trial: TrialRecord) -> None:
        if trial.cause in LASTING:
            self._shop.store.add_failure(
                FailureFact(
                    model_sha256=self._planned.model.sha256,
                    engine_version=trial.provenance.engine_version,
                    variant=trial.variant,
                    cause=trial.cause,
                    detail=trial.detail,
                    run_id=self._run.run_id,
                    at_utc=self._now(),
                    host=self._shop.host.fingerprint(),
                )
            )

    def _spent_s(self) -> float:
        """What earlier processes spent on trials that were kept, and all of this one's time."""
        return sum(t.wall_s for t in self._before) + self._here_s()

    def _here_s(self) -> float:
        return self._shop.clock.monotonic_s() - self._started_s

    def _left_s(self) -> float | None:
        """What the budget leaves, in seconds; of money, at the price of the dearest variant."""
        budget, price = self._request.budget, dearest(self._request, self._plan.variants)
        limits = []
        if budget.seconds is not None:
            limits.append(budget.seconds - self._spent_s())
        if budget.usd is not None and price:
            limits.append(seconds_for(budget.usd, price) - self._spent_s())
        return min(limits, default=None)

    def _now(self) -> str:
        return self._shop.clock.utc_now().isoformat(timespec="seconds")
