"""The search of one run: its records in the terms of `plan.search`, and what it answers in ours."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from paceline.plan.local.prune import missed
from paceline.plan.search import RULES, Known, Pruned, Step, Stop, next_step, stays
from paceline.rank.standing import outlooks, scale, standings
from paceline.records.plan import Plan
from paceline.records.request import Request
from paceline.records.trial import Cut, PruningCheck, TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant


class Search(Protocol):
    """Decides what a campaign measures next, and what a trial is worth."""

    def next(
        self, plan: Plan, trials: Sequence[TrialRecord], *, left_s: float | None
    ) -> Step | Stop: ...

    def why_end(
        self, plan: Plan, trials: Sequence[TrialRecord], so_far: TrialRecord, *, must_reach: float
    ) -> str | None: ...

    def check(self, step: Step, plan: Plan) -> PruningCheck | None: ...

    def rejection(self, pruned: Pruned) -> Rejection: ...


class Race:
    """Decides for one request. Holds nothing else: what was measured comes with each question."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._scale = scale(request)

    def next(
        self, plan: Plan, trials: Sequence[TrialRecord], *, left_s: float | None
    ) -> Step | Stop:
        """The next trial, or why there is none. `left_s` is what is left of the budget."""
        known = Known(
            plan=plan,
            trials=trials,
            standings=standings(self._request, plan, trials),
            outlooks=outlooks(self._request, plan),
            seed=self._request.seed,
        )
        return next_step(known, left_s=left_s)

    def why_end(
        self, plan: Plan, trials: Sequence[TrialRecord], so_far: TrialRecord, *, must_reach: float
    ) -> str | None:
        """Why a trial that has done its first rung is out of the race; `None` when it is not."""
        # As short as it is so far: its noise is larger, and its answers are still to be asked.
        short = replace(so_far, cut=Cut(share=RULES.rung, because="its first rung"))
        found = standings(self._request, plan, [*trials, short])
        own = next((s for s in found if s.variant == so_far.variant), None)
        if own is None or stays(own, must_reach):
            return None
        if own.score is None:
            return "it fails a constraint"
        return (
            f"{self._scale.text(own.score)} in its first rung; with its noise it cannot reach "
            f"{self._scale.text(must_reach)}"
        )

    def check(self, step: Step, plan: Plan) -> PruningCheck | None:
        """What a trial is to check, when a guess or a prediction had pruned its variant."""
        out = step.audits
        if isinstance(out, Pruned):
            return PruningCheck(
                thought_at_best=self._scale.value(out.optimistic),
                needed=self._scale.value(out.bar),
            )
        said = next((p for p in plan.predictions if p.variant_id == step.variant.id), None)
        if out is None or said is None:
            return None
        miss = missed(self._request, said.metrics)
        if miss is None:
            return None
        return PruningCheck(
            thought_at_best=miss.best,
            needed=miss.constraint.limit,
            constraint=miss.constraint.text,
        )

    def rejection(self, pruned: Pruned) -> Rejection:
        """A variant that was not worth a launch, in the units of the objective."""
        return Rejection(
            variant=pruned.variant,
            reason=RejectionReason.PREDICTED,
            detail="from the measured variants like it, it cannot win by more than the noise",
            have=f"at best {self._scale.text(pruned.optimistic)}",
            need=f"to reach {self._scale.text(pruned.bar)}",
        )


def with_variant(plan: Plan, variant: Variant) -> Plan:
    """The plan with a variant that the search thought of, or took back from the rejected."""
    if variant in plan.variants:
        return plan
    return replace(
        plan,
        variants=(*plan.variants, variant),
        rejected=tuple(r for r in plan.rejected if r.variant != variant),
    )
