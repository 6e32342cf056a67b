"""Request, plan and trials → Ranking. Pure: the same records give the same ranking, byte for byte.

`paceline verify` recomputes a receipt's ranking with it. Covers no measuring and no receipt.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from paceline.rank.advice import advise
from paceline.rank.chips import chips
from paceline.rank.choose import LAUNCH_NOISE, Candidate, Place, in_order, tied_with
from paceline.rank.filter import Measured, judge, shown
from paceline.rank.inside import inside_notes
from paceline.rank.objective import Dimensions, Objective, dimensions, objective, quality_of
from paceline.rank.pareto import Point, pareto_front
from paceline.rank.pool import Pooled, as_pool, pool
from paceline.rank.quality import compare_quality
from paceline.rank.reading import read
from paceline.rank.speculation import guess_notes, idle_guesses
from paceline.records.measurement import Metric, Verdict
from paceline.records.metric_names import FAILED_SHARE, QUALITY
from paceline.records.plan import Plan
from paceline.records.quality import QualityComparison, QualityResult
from paceline.records.ranking import Ranked, Ranking
from paceline.records.request import Priority, Request
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant


def rank(request: Request, plan: Plan, trials: Iterable[TrialRecord]) -> Ranking:
    """The order of the measured variants, its winner and what was left out.

    Trials may come in any order. Variants of the plan without any trial are not mentioned: they
    are still to be measured, or the caller has put them into `plan.rejected`. Costs well under a
    second for dozens of variants; the paired bootstrap of quality takes most of it.
    """
    stored = tuple(trials)
    variants = list(dict.fromkeys([plan.baseline, *plan.variants]))
    pools = [p for variant in variants if (p := pool(variant, stored)) is not None]
    baseline = next((p for p in pools if p.variant == plan.baseline), None)
    goal, dims = objective(request, baseline), dimensions(request)
    candidates = [judged(p, baseline, request, goal, dims) for p in pools]
    idle = idle_guesses(candidates, goal, request.priority)
    remarks = guess_notes(candidates)
    contenders = [c for c in candidates if c.variant not in idle]
    places = in_order(contenders, less_is_better=goal.less_is_better)
    winner = next((p for p in places if p.candidate.standing is not Verdict.FAIL), None)
    ordered = [place.candidate for place in places]
    return Ranking(
        baseline=plan.baseline.id,
        winner=None if winner is None else winner.candidate.variant.id,
        tied_with=()
        if winner is None
        else tied_with(winner, places, less_is_better=goal.less_is_better),
        ranked=(
            *(
                _remarked(_ranked(place, number, goal, dims), remarks)
                for number, place in enumerate(places, start=1)
            ),
            *(_kept_out(c, idle[c.variant], goal, dims) for c in candidates if c.variant in idle),
        ),
        rejected=(
            *plan.rejected,
            *_launch_failures(variants, stored),
            *_violations(ordered),
            *idle.values(),
        ),
        pareto=_front(candidates, dims),
        advice=advise(ordered, [judged(p, baseline, request, goal, dims) for p in _missing(plan)]),
        formula=goal.formula,
    )


def _missing(plan: Plan) -> list[Pooled]:
    """What is predicted of the variants that the plan left out for missing a limit."""
    said = {predicted.variant_id: predicted for predicted in plan.predictions}
    return [
        as_pool(out.variant, said[out.variant.id])
        for out in plan.rejected
        if out.reason is RejectionReason.CONSTRAINT and out.variant.id in said
    ]


def judged(
    pooled: Pooled,
    baseline: Pooled | None,
    request: Request,
    goal: Objective,
    dims: Dimensions,
) -> Candidate:
    """One variant with every verdict and the figures that decide its place."""
    of_quality = request.priority is Priority.QUALITY  # which no launch and no load changes
    measured = Measured(
        pooled=pooled,
        baseline=baseline,
        comparison=_comparison(pooled, baseline, request.seed, lambda p: p.quality),
        own_comparison=_comparison(pooled, baseline, request.seed, lambda p: p.own_quality),
        long_comparison=_comparison(pooled, baseline, request.seed, lambda p: p.long_quality),
        full_comparison=_comparison(pooled, baseline, request.seed, lambda p: p.loaded_quality),
        loaded_comparison=_under_load(pooled, request.seed),
        workload=request.workload,
    )
    return Candidate(
        measured=measured,
        judgements=tuple(judge(constraint, measured) for constraint in request.constraints),
        objective=goal.of(measured),
        cost=read(pooled.metrics, dims.cost),
        doubt=None if of_quality else pooled.unsound,
        unseen_noise=LAUNCH_NOISE if pooled.trials == 1 and not of_quality else 0.0,
    )


def _comparison(
    pooled: Pooled,
    baseline: Pooled | None,
    seed: int,
    answers: Callable[[Pooled], QualityResult | None],
) -> QualityComparison | None:
    """On what `answers` takes of both."""
    if baseline is None or pooled.variant == baseline.variant:
        return None
    mine, base = answers(pooled), answers(baseline)
    if mine is None or base is None or mine.suite_sha256 != base.suite_sha256:
        return None  # another suite is said in the notes: the two were asked different questions
    return compare_quality(mine, base, seed=seed)


def _under_load(pooled: Pooled, seed: int) -> QualityComparison | None:
    """A variant in full batches against itself in those of its first asking."""
    if pooled.quality is None or pooled.loaded_quality is None:
        return None
    return compare_quality(pooled.loaded_quality, pooled.quality, seed=seed)


def _ranked(place: Place, number: int, goal: Objective, dims: Dimensions) -> Ranked:
    candidate = place.candidate
    measured = candidate.measured
    value = candidate.objective  # its `n` counts trials: it is of the pool, not of one sample
    return Ranked(
        variant=candidate.variant,
        metrics=measured.pooled.metrics,
        verdicts=tuple(judgement.verdict for judgement in candidate.judgements),
        quality=measured.comparison,
        under_load=measured.loaded_comparison,
        long_context=measured.long_comparison,
        fidelity=measured.pooled.fidelity,
        inspected=measured.pooled.inspected,
        fidelity_because=measured.pooled.fidelity_because,
        objective=None
        if value is None
        else Metric(
            value=value.value, unit=goal.unit, ci95=value.interval, n=measured.pooled.trials
        ),
        trials=measured.pooled.trials,
        rank=None if candidate.standing is Verdict.FAIL else number,
        chips=chips(measured, dims),
        notes=_notes(place),
    )


def _remarked(ranked: Ranked, remarks: Mapping[Variant, str]) -> Ranked:
    remark = remarks.get(ranked.variant)
    return ranked if remark is None else replace(ranked, notes=(*ranked.notes, remark))


def _kept_out(candidate: Candidate, why: Rejection, goal: Objective, dims: Dimensions) -> Ranked:
    shown = _ranked(Place(candidate=candidate, tied=(), because=None), 0, goal, dims)
    return replace(shown, rank=None, notes=(*shown.notes, f"kept out: {why.detail}"))


def _notes(place: Place) -> tuple[str, ...]:
    candidate = place.candidate
    pooled, baseline = candidate.measured.pooled, candidate.measured.baseline
    notes = [*pooled.set_aside, *([pooled.cut] if pooled.cut else [])]
    if candidate.standing is Verdict.UNRESOLVED:
        doubts = [
            f"{verdict.constraint.text}: {verdict.because}"
            for verdict in candidate.verdicts_that(Verdict.UNRESOLVED)
        ] or [pooled.unsound or "its figures cannot be trusted"]
        notes.append(f"unresolved, so below every variant that passes: {'; '.join(doubts)}")
    if place.because is not None:
        notes.append(place.because)
    if pooled.inspected is not None:
        notes += inside_notes(pooled.inspected)
    notes += pooled.remarks
    failed = pooled.metrics.get(FAILED_SHARE)
    if failed is not None and failed.value > 0:
        notes.append(f"{failed.value:.2%} of the requests failed")
    if pooled.quality is not None:
        if pooled.quality.stopped is not None:
            notes.append(f"quality was not asked to its end: {pooled.quality.stopped.because}")
        other = None if baseline is None else baseline.quality
        if other is not None and other.suite_sha256 != pooled.quality.suite_sha256:
            notes.append("quality cannot be compared: the baseline answered another suite")
    return tuple(notes)


def _launch_failures(
    variants: Sequence[Variant], trials: Sequence[TrialRecord]
) -> tuple[Rejection, ...]:
    """Variants that were tried and never finished, with the last cause."""
    tried = {v: [t for t in trials if t.variant == v] for v in variants}
    lost = {v: ts for v, ts in tried.items() if ts and pool(v, ts) is None}
    return tuple(
        Rejection(
            variant=variant,
            reason=RejectionReason.LAUNCH_FAILED,
            detail=f"{last.cause.value}: {last.detail}" if last.detail else last.cause.value,
        )
        for variant, attempts in lost.items()
        for last in [max(attempts, key=lambda t: (t.repeat, t.trial_id))]
    )


def _violations(candidates: Sequence[Candidate]) -> tuple[Rejection, ...]:
    """Measured and out: the first constraint that each failed, with both numbers."""
    return tuple(
        Rejection(
            variant=candidate.variant,
            reason=RejectionReason.CONSTRAINT,
            detail=f"{verdict.constraint.text}: {verdict.because}",
            have=None if verdict.value is None else shown(verdict.value, verdict.constraint),
            need=f"{verdict.constraint.comparison} "
            f"{shown(verdict.constraint.limit, verdict.constraint)}",
        )
        for candidate in candidates
        for verdict in candidate.verdicts_that(Verdict.FAIL)[:1]
    )


def _front(candidates: Sequence[Candidate], dims: Dimensions) -> tuple[str, ...]:
    """Over every variant whose load can be trusted, failing ones too: the front shows what a
    relaxed constraint would buy. Quality is the ratio to the baseline where there is one."""
    paired = any(quality_of(c.measured) is not None for c in candidates)
    points = [
        Point(
            variant_id=c.variant.id,
            readings={
                "latency": read(c.measured.pooled.metrics, dims.latency),
                "cost": c.cost,
                "quality": quality_of(c.measured)
                if paired
                else read(c.measured.pooled.metrics, QUALITY),
            },
        )
        for c in candidates
        if c.measured.pooled.unsound is None
    ]
    return pareto_front(points, less_is_better={"latency": True, "cost": True, "quality": False})
