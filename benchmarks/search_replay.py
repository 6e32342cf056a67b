"""Complete sweeps searched again from their records: how often, how fast and at what risk.

Pure arithmetic. A sweep holds the recorded figure of every variant; a launch of the replay returns
it with noise between and within launches, and costs what launches and windows cost. The search is
the program's own (`plan.search`, `rank`), with nothing known of the sweep but what it measures.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from paceline.app.race import with_variant
from paceline.plan.search import Known, Pruned, Rules, Step, Stop, next_step, plain, stays
from paceline.rank import rank
from paceline.rank.standing import standings
from paceline.records.measurement import Interval, Metric
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.plan import Plan
from paceline.records.race import Outlook
from paceline.records.trial import Cut, PruningCheck, TrialRecord
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.testing.builders import a_request, a_trial

NEAR: Final = 0.02
"""Ending so near the best counts as finding it: repeats of one variant differ by as much."""
LEVEL: Final = 1.96 * math.sqrt(2)
"""Deviations of a launch by which two figures, of a launch each, must differ to be told apart at
95 %. The best of a record is the luckiest too, so this is on the strict side."""
PUBLISHED_RUN_SD: Final = 0.0133
"""Published repeats differ by a median 0.9 %, 90th percentile 2 %."""
REQUEST: Final = a_request()


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one launch: until it is ready, and of its whole window with what belongs to it."""

    start_s: float
    window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Every variant of one model under one load, measured.

    `run_sds` (by engine) and `window_sd` are the noise between launches and within one whole
    window, in natural logarithms; `rung_errors` how far first rungs were from whole windows, by
    engine, where that was recorded.
    """

    name: str
    family: str
    """What tells tuning from judging: all sweeps of one model are on the same side."""
    baseline: Variant
    rates: Mapping[Variant, float]
    costs: Mapping[Variant, Costs]
    outlooks: tuple[Outlook, ...] = ()
    run_sds: Mapping[str, float] = field(default_factory=dict)
    window_sd: float = 0.01
    rung_errors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    foreign_cpu_share: float = 0.0
    """Of all cores, what others took while it was recorded: the search doubts such figures."""
    knobs_in_plan: int = 99
    """Variants with more changed knobs are no part of the plan: the search must think of them."""
    unplanned: frozenset[Variant] = frozenset()
    """Left out by the plan: limits that the load does not reach, whose change has no effect."""

    @property
    def best(self) -> Variant:
        return max(self.rates, key=lambda v: self.rates[v])

    def run_sd(self, variant: Variant) -> float:
        """The noise between launches of a variant."""
        return self.run_sds.get(variant.engine, PUBLISHED_RUN_SD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one search over one sweep went."""

    sweep: Sweep
    launches: int
    seconds: float
    loss: float
    """How far the winner's recorded figure is behind the best one's, as a share."""
    tied_loss: float
    """The same of the best among the winner and those reported as tied with it."""
    second_loss: float
    """The same of the best in a second complete sweep, drawn with the noise between launches: what
    measuring everything once is worth itself."""
    excluded_best: bool
    """The best was pruned or ended early, by a claim that its record contradicts."""
    audits: int
    audits_wrong: int

    @property
    def level(self) -> bool:
        """Within `NEAR` of the best, or not to be told from it by a launch of each."""
        return self.loss <= max(NEAR, 1 - math.exp(-LEVEL * self.sweep.run_sd(self.sweep.best)))

    @property
    def whole_seconds(self) -> float:
        """What measuring every variant once takes."""
        return sum(cost.start_s + cost.window_s for cost in self.sweep.costs.values())

    @property
    def floor_seconds(self) -> float:
        """The least that any search needs: the baseline and the best, whole."""
        sweep = self.sweep
        both = {sweep.best, sweep.baseline}
        return sum(sweep.costs[v].start_s + sweep.costs[v].window_s for v in both)


def search(sweep: Sweep, *, seed: int, rules: Rules, left_s: float | None = None) -> Outcome:
    """One search over a sweep, to its end or to the end of its budget."""
    return _Replay(sweep, Random(f"{sweep.name} {seed}"), rules, seed).run(left_s)  # noqa: S311


class _Replay:
    def __init__(self, sweep: Sweep, random: Random, rules: Rules, seed: int) -> None:
        self._sweep, self._random, self._rules, self._seed = sweep, random, rules, seed
        others = [
            variant
            for variant in sweep.rates
            if variant != sweep.baseline
            and len(variant.knobs) <= sweep.knobs_in_plan
            and variant not in sweep.unplanned
        ]
        self._plan = Plan(baseline=sweep.baseline, variants=(sweep.baseline, *others), rejected=())
        self._trials: list[TrialRecord] = []
        self._seconds = 0.0

    def run(self, left_s: float | None) -> Outcome:
        step = self._next(left_s)
        while isinstance(step, Step):
            if step.variant in self._sweep.rates:
                self._plan = with_variant(self._plan, step.variant)
                self._launch(step)
            else:  # a combination that nobody recorded
                self._plan = replace(
                    self._plan, rejected=(*self._plan.rejected, _unrecorded(step.variant))
                )
            step = self._next(left_s)
        return self._outcome(step)

    def _next(self, left_s: float | None) -> Step | Stop:
        known = Known(
            plan=self._plan,
            trials=self._trials,
            standings=standings(REQUEST, self._plan, self._trials),
            outlooks=self._sweep.outlooks,
            seed=self._seed,
        )
        left = None if left_s is None else left_s - self._seconds
        return next_step(known, left_s=left, rules=self._rules)

    def _launch(self, step: Step) -> None:
        sweep, cost = self._sweep, self._sweep.costs[step.variant]
        of_launch = math.log(sweep.rates[step.variant]) + self._random.gauss(
            0, sweep.run_sd(step.variant)
        )
        seconds, trial = cost.start_s, None
        if step.must_reach is not None:
            seconds += cost.window_s * self._rules.rung
            trial = self._short(step, of_launch)
            found = standings(REQUEST, self._plan, [*self._trials, trial])
            own = next(s for s in found if s.variant == step.variant)
            if stays(own, step.must_reach, self._rules):
                trial = None
        if trial is None:
            seconds += cost.window_s
            error = self._random.gauss(0, sweep.window_sd)
            trial = self._trial(step, of_launch + error, sd=sweep.window_sd)
        self._seconds += seconds
        self._trials.append(replace(trial, wall_s=seconds, checked=_check(step)))

    def _short(self, step: Step, of_launch: float) -> TrialRecord:
        sd = self._sweep.window_sd / math.sqrt(self._rules.rung)
        recorded = self._sweep.rung_errors.get(step.variant.engine)
        error = self._random.choice(recorded) if recorded else self._random.gauss(0, sd)
        trial = self._trial(step, of_launch + error, sd=sd)
        return replace(trial, cut=Cut(share=self._rules.rung, because="out of the race"))

    def _trial(self, step: Step, seen: float, *, sd: float) -> TrialRecord:
        interval = Interval(lo=math.exp(seen - 1.96 * sd), hi=math.exp(seen + 1.96 * sd))
        rate = Metric(value=math.exp(seen), unit="tokens/s", ci95=interval, n=200)
        trial = a_trial(step.variant, {OUTPUT_TOKENS_PER_S: rate}, repeat=step.repeat)
        return replace(trial, foreign_cpu_share=self._sweep.foreign_cpu_share)

    def _outcome(self, stop: Stop) -> Outcome:
        rates, best = self._sweep.rates, self._sweep.best
        ranking = rank(REQUEST, self._plan, self._trials)
        by_id = {variant.id: rate for variant, rate in rates.items()}
        loss = 1 - by_id[ranking.winner or ""] / rates[best]
        tied = [by_id[i] for i in (ranking.winner or "", *ranking.tied_with)]
        whole = {trial.variant for trial in self._trials if trial.cut is None}
        checks = [(t.checked, rates[t.variant]) for t in self._trials if t.checked]
        return Outcome(
            sweep=self._sweep,
            launches=len(self._trials),
            seconds=self._seconds,
            loss=loss,
            tied_loss=1 - max(tied) / rates[best],
            second_loss=1 - rates[self._second_best()] / rates[best],
            excluded_best=loss > NEAR and not self._met(best, {*whole, *stop.left_out}),
            audits=len(checks),
            audits_wrong=sum(rate >= check.needed for check, rate in checks),
        )

    def _met(self, best: Variant, met: Set[Variant]) -> bool:
        """Whether `best` is among them; of one that the plan left out for having no effect, whether
        the unchanged one is, and the record bears the claim out."""
        rates, unchanged = self._sweep.rates, plain(best)
        if best in self._sweep.unplanned and rates.get(unchanged, 0) >= (1 - NEAR) * rates[best]:
            return unchanged in met
        return best in met

    def _second_best(self) -> Variant:
        sd = self._sweep.run_sd
        again = {
            v: math.log(rate) + self._random.gauss(0, sd(v))
            for v, rate in self._sweep.rates.items()
        }
        return max(again, key=lambda v: again[v])


def _check(step: Step) -> PruningCheck | None:
    if not isinstance(step.audits, Pruned):
        return None
    return PruningCheck(
        thought_at_best=math.exp(step.audits.optimistic), needed=math.exp(step.audits.bar)
    )


def _unrecorded(variant: Variant) -> Rejection:
    return Rejection(variant=variant, reason=RejectionReason.UNSUPPORTED, detail="not recorded")
