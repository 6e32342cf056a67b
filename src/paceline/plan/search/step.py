"""What to measure next: a pure function of the plan and of what was measured so far.

A race. The baseline is measured whole. Then whoever may still be the best, by what is known of it
and of those like it, is launched in the order of that optimism; a trial whose first rung leaves no
chance ends there. When nobody is left who could win by more than the noise, a few of the pruned
are launched all the same, to check the pruning, and the contenders are launched again where one
launch each cannot tell them apart. Because it looks at nothing but stored trials, a resumed run
takes the same decision that the killed one would have taken.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from random import Random

from paceline.plan.search.combine import combined, plain
from paceline.plan.search.estimate import expected_s
from paceline.plan.search.guess import Guess, guesses, measured_sd, told_apart
from paceline.plan.search.owed import TELLING_SD, mean_lengths, owed
from paceline.plan.search.rules import RULES, Pruned, Rules, Step, Stop
from paceline.records.launch import Cause
from paceline.records.measurement import Verdict
from paceline.records.plan import Plan
from paceline.records.race import Outlook, Standing
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.units import format_duration

CONTAGIOUS = frozenset({Cause.OUT_OF_MEMORY, Cause.UNSUPPORTED, Cause.BAD_CHECKPOINT})
"""What kills a variant at default knobs kills it with changed ones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that a decision looks at.

    `standings` are of the variants with a finished trial, best first. `outlooks` may be empty.
    """

    plan: Plan
    trials: Sequence[TrialRecord]
    standings: Sequence[Standing]
    outlooks: Sequence[Outlook] = ()
    seed: int = 0


def next_step(known: Known, *, left_s: float | None, rules: Rules = RULES) -> Step | Stop:
    """The next trial, or why there is none.

    `left_s` is what is left of the budget, `None` without one. A step is taken only when its
    expected length fits; the baseline is always taken.
    """
    return _Race(known, math.inf if left_s is None else left_s, rules).decide()


def stays(standing: Standing, must_reach: float, rules: Rules = RULES) -> bool:
    """Whether a trial goes on after its first rung. Without a score or a bound it does."""
    if standing.verdict is Verdict.FAIL:
        return False
    return _optimistic(standing, rules) >= must_reach


class _Race:
    """One decision."""

    def __init__(self, known: Known, left_s: float, rules: Rules) -> None:
        self._known = known
        self._left_s = left_s
        self._rules = rules
        self._expected = {outlook.variant_id: outlook for outlook in known.outlooks}
        self._launches = Counter(trial.variant for trial in known.trials)
        self._looks: Mapping[Variant, str] = {}
        leader = _leader(known.standings)
        self._leader_sd = measured_sd(leader, rules.noise) if leader else 0.0
        self._bar = -math.inf if leader is None else (leader.score or 0.0) + rules.worth

    def decide(self) -> Step | Stop:
        baseline = self._known.plan.baseline
        if not self._launches[baseline]:
            return Step(variant=baseline, repeat=0, because="the baseline is always measured")
        racing, pruned = self._sorted()
        wanted = [*racing, *self._audits(pruned), *self._finals()]
        reserve_s = self._reserve_s()
        for step in wanted:
            needs_s = expected_s(step.variant, self._known.trials)
            if step.repeat == 0 and step.variant not in self._looks:
                needs_s += reserve_s
            if needs_s <= self._left_s:
                return step
        left_out = tuple(dict.fromkeys(s.variant for s in racing if not s.repeat))
        because = (
            f"{format_duration(max(self._left_s, 0))} of budget left"
            if wanted
            else "nobody left could win by more than the noise"
        )
        return Stop(because=because, left_out=left_out, pruned=tuple(pruned), doomed=self._doomed())

    def _sorted(self) -> tuple[list[Step], list[Pruned]]:
        """Who is in the race, most promising first, and who is not."""
        fresh = self._fresh()
        found = guesses(
            fresh,
            self._known.standings,
            self._known.outlooks,
            effects=self._rules.effects,
            noise=self._rules.noise,
        )
        racing: list[tuple[float, Step]] = []
        pruned: list[Pruned] = []
        known = self._known
        # Not those that the plan had predicted to lose by more than both bands.
        planned = [variant for variant in fresh if variant in known.plan.variants]
        looks = self._looks = owed(planned, known.trials, known.standings, known.outlooks)
        for variant, best in zip(fresh, self._at_best(fresh, found), strict=True):
            if best < self._bar and variant not in looks:
                pruned.append(Pruned(variant=variant, optimistic=best, bar=self._bar))
            else:
                racing.append((best, self._first(variant, best)))
        racing += self._unfinished()
        # Changed knobs wait for the variant that they were changed from: it tells more. Stable:
        # equals stay in the order of the plan.
        unlaunched = {step.variant for _, step in racing if not self._launches[step.variant]}
        racing.sort(key=lambda found: (_waits(found[1].variant, unlaunched), -found[0]))
        return _looks_first([step for _, step in racing], looks), pruned

    def _at_best(self, fresh: Sequence[Variant], found: Sequence[Guess]) -> list[float]:
        """Optimistic scores; of those that guess ahead no more than their acceptance allows."""
        best = {v: self._best_of(v, guess) for v, guess in zip(fresh, found, strict=True)}
        gains = mean_lengths(self._known.trials)
        seen = {s.variant: _optimistic(s, self._rules) for s in self._known.standings}
        for variant in fresh:
            length = gains.get(variant.speculation or "")
            if length is not None:
                without = replace(variant, speculation=None)
                plain_best = seen.get(without, best.get(without, math.inf))
                best[variant] = min(best[variant], plain_best + math.log(length))
        return list(best.values())

    def _best_of(self, variant: Variant, guess: Guess) -> float:
        rules, outlook = self._rules, told_apart(variant, self._expected)
        sd = math.hypot(guess.sd, self._leader_sd)
        if outlook is None:
            return guess.score + rules.optimism * sd
        thought = guess.score + rules.optimism_told * sd
        if outlook.sd > TELLING_SD:
            return thought
        return max(thought, outlook.score + rules.reach_told * outlook.sd)

    def _first(self, variant: Variant, best: float) -> Step:
        reach = self._bar if math.isfinite(self._bar) else None
        because = "not measured yet"
        if reach is not None and best >= reach:
            because = f"could be up to {math.expm1(best - reach):.0%} above the bar"
        elif variant in self._looks:
            because = self._looks[variant]
        return Step(variant=variant, repeat=0, because=because, must_reach=reach)

    def _fresh(self) -> list[Variant]:
        """Who may be launched for the first time: the plan's variants, combinations near the
        leaders, and whom the plan left out by prediction alone, for the run may prove it wrong."""
        plan = self._known.plan
        level = self._bar - self._rules.optimism * self._rules.noise.rung
        rejected = {rejection.variant for rejection in plan.rejected}
        near = [
            v
            for v in combined(self._known.standings, plan.variants, level=level)
            if v not in rejected
        ]
        pool = dict.fromkeys([*plan.variants, *near, *self._predicted_to_lose()])
        dead = self._dead()
        return [v for v in pool if not self._launches[v] and plain(v) not in dead]

    def _dead(self) -> Mapping[Variant, TrialRecord]:
        """Variants at default knobs that never ran, with the trial that says what kills them."""
        ran = {trial.variant for trial in self._known.trials if trial.cause is Cause.FINISHED}
        return {
            trial.variant: trial
            for trial in self._known.trials
            if trial.cause in CONTAGIOUS
            and trial.variant == plain(trial.variant)
            and trial.variant not in ran
        }

    def _doomed(self) -> tuple[Rejection, ...]:
        """The plan's variants that were not launched because of what killed their like."""
        dead = self._dead()
        return tuple(
            Rejection(
                variant=variant,
                reason=RejectionReason.KNOWN_FAILURE,
                detail=f"{died.variant.label} ended as {died.cause} in this run"
                + (f": {died.detail}" if died.detail else ""),
            )
            for variant in self._known.plan.variants
            if not self._launches[variant] and (died := dead.get(plain(variant))) is not None
        )

    def _predicted_to_lose(self) -> list[Variant]:
        if not math.isfinite(self._bar):
            return []
        foretold = {outlook.variant_id for outlook in self._known.outlooks}
        return [
            rejection.variant
            for rejection in self._known.plan.rejected
            if rejection.reason is RejectionReason.PREDICTED and rejection.variant.id in foretold
        ]

    def _unfinished(self) -> list[tuple[float, Step]]:
        """Ended at the first rung under a bar that has fallen since: their turn again."""
        return [
            (
                best,
                Step(
                    variant=standing.variant,
                    repeat=self._launches[standing.variant],
                    because="the bar that ended its first trial has fallen",
                ),
            )
            for standing in self._known.standings
            if not standing.complete
            and standing.verdict is not Verdict.FAIL
            and self._launches[standing.variant] < self._rules.repeats
            and (best := _optimistic(standing, self._rules)) >= self._bar
        ]

    def _audits(self, pruned: Sequence[Pruned]) -> list[Step]:
        """A seeded lot per variant, so that the same are drawn however the run went until here."""
        guessed = [
            Step(
                variant=out.variant,
                repeat=0,
                because="pruned by a guess; launched to check the pruning",
                must_reach=out.bar,
                audits=out,
            )
            for out in pruned
        ]
        dead = self._dead()
        foretold = [
            Step(
                variant=out.variant,
                repeat=0,
                because="predicted to miss a limit; launched to check the prediction",
                must_reach=self._bar if math.isfinite(self._bar) else None,
                audits=out,
            )
            for out in self._known.plan.rejected
            if out.reason is RejectionReason.CONSTRAINT
            and not self._launches[out.variant]
            and plain(out.variant) not in dead
        ]
        seed, share = self._known.seed, self._rules.audit
        return [step for step in (*guessed, *foretold) if _lot(step.variant, seed) < share]

    def _finals(self) -> list[Step]:
        """Fresh launches where they can decide: an open verdict of the first, or a close second."""
        order = [s for s in self._known.standings if s.verdict is not Verdict.FAIL]
        if not order:
            return []
        first, second = order[0], order[1] if len(order) > 1 else None
        owed = []
        if first.verdict is Verdict.UNRESOLVED or first.doubted:
            owed.append(first)
        if second is not None and not _apart(first, second, self._rules):
            owed += [first, second]
        launches = self._launches  # those that died too: what dies again must not go on for ever
        owed = [s for s in dict.fromkeys(owed) if launches[s.variant] < self._rules.repeats]
        return [
            Step(
                variant=standing.variant,
                repeat=launches[standing.variant],
                because="a contender needs another launch",
            )
            for standing in sorted(owed, key=lambda s: launches[s.variant])
        ]

    def _reserve_s(self) -> float:
        """What the finals will need. One variant alone is no contest yet: nothing is reserved."""
        if len(self._known.standings) < 2:  # noqa: PLR2004 - two make a contest
            return 0.0
        return sum(expected_s(step.variant, self._known.trials) for step in self._finals())


def _leader(standings: Sequence[Standing]) -> Standing | None:
    """The best that went its whole way and passes; who beats it wins."""
    whole = [
        standing
        for standing in standings
        if standing.complete and standing.verdict is Verdict.PASS and standing.score is not None
    ]
    return max(whole, key=lambda standing: standing.score or 0.0, default=None)


def _looks_first(racing: list[Step], looks: Mapping[Variant, str]) -> list[Step]:
    """What is owed a look comes before knobs are turned, after plain variants that promise more."""
    first = next((at for at, s in enumerate(racing) if s.variant != plain(s.variant)), len(racing))
    ahead, behind = racing[:first], racing[first:]
    due = [replace(s, because=looks[s.variant]) for v in looks for s in behind if s.variant == v]
    return [*ahead, *due, *(s for s in behind if s.variant not in looks)]


def _waits(variant: Variant, for_: Set[Variant]) -> bool:
    return variant != plain(variant) and plain(variant) in for_


def _lot(variant: Variant, seed: int) -> float:
    return Random(f"{seed} {variant.id}").random()  # noqa: S311 - not a secret


def _optimistic(standing: Standing, rules: Rules) -> float:
    if standing.score is None or standing.high is None:
        return math.inf
    return standing.score + rules.rung_optimism * math.hypot(
        measured_sd(standing, rules.noise), rules.noise.run
    )


def _apart(one: Standing, other: Standing, rules: Rules) -> bool:
    """Whether the two differ by more than their launches may."""
    if one.verdict is not other.verdict:
        return True
    if one.score is None or other.score is None:
        return False
    sds = [measured_sd(standing, rules.noise) for standing in (one, other)]
    return abs(one.score - other.score) > rules.apart * math.hypot(*sds)
