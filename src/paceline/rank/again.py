"""A receipt's baseline and winner measured a second time: do the figures and the order hold?

Two figures differ when their intervals do not meet. Intervals of several launches are hulls
(`rank.pool`), so a figure that differs does so beyond the noise between launches that was seen.
"""

from collections.abc import Iterable, Sequence

from paceline.rank.objective import dimensions, objective
from paceline.rank.pool import Pooled, pool
from paceline.rank.ranking import judged
from paceline.rank.reading import better, read
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S, REQUESTS_PER_S, constrained_name
from paceline.records.receipt import Agreement, FigureAgain, Receipt
from paceline.records.request import Request
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant


def figures_again(
    receipt: Receipt, trials: Sequence[TrialRecord], variants: Iterable[Variant]
) -> tuple[FigureAgain, ...]:
    """Every figure that the request is about, of each variant, stored against found."""
    names = _names(receipt.request)
    found: list[FigureAgain] = []
    for variant in dict.fromkeys(variants):
        before, after = pool(variant, receipt.trials), pool(variant, trials)
        if before is not None:
            found += [_again(before, after, name) for name in names if name in before.metrics]
    return tuple(found)


def order_again(
    receipt: Receipt, trials: Sequence[TrialRecord], winner: Variant
) -> tuple[Agreement, str]:
    """Whether the winner is ahead of the baseline again, and both values in words."""
    baseline = receipt.plan.baseline
    if winner == baseline:
        return Agreement.AGREES, "the baseline is the winner; there is no order to check"
    ahead, said = _ahead(receipt, trials, winner)
    if ahead is None:
        return Agreement.OPEN, said
    if ahead < 0:
        return Agreement.DIFFERS, f"{said}: the baseline is ahead"
    was_ahead, _ = _ahead(receipt, receipt.trials, winner)
    if ahead == 0 and was_ahead:
        return Agreement.OPEN, f"{said}: level within the noise"
    return Agreement.AGREES, said


def _ahead(
    receipt: Receipt, trials: Sequence[TrialRecord], winner: Variant
) -> tuple[int | None, str]:
    """1 when the winner is ahead of the baseline beyond the noise, 0 level, −1 behind."""
    request, base = receipt.request, pool(receipt.plan.baseline, trials)
    own = pool(winner, trials)
    if own is None or base is None:
        return None, "one of the two did not finish"
    doubt = own.unsound or base.unsound
    if doubt is not None:
        return None, doubt
    goal, dims = objective(request, base), dimensions(request)
    one, other = (judged(p, base, request, goal, dims).objective for p in (own, base))
    if one is None or other is None:
        return None, "one of the two has no such figure"
    said = f"winner {one.value:,.4g} {goal.unit}, baseline {other.value:,.4g} {goal.unit}"
    less = goal.less_is_better
    return better(one, other, less=less) - better(other, one, less=less), said


def _names(request: Request) -> tuple[str, ...]:
    dims = dimensions(request)
    limited = [constrained_name(c, request.workload) for c in request.constraints]
    return tuple(dict.fromkeys([dims.latency, OUTPUT_TOKENS_PER_S, REQUESTS_PER_S, *limited]))


def _again(before: Pooled, after: Pooled | None, name: str) -> FigureAgain:
    stored = before.metrics[name]
    found = None if after is None else after.metrics.get(name)
    agreement, because = _judged(before, after, name)
    return FigureAgain(
        variant=before.variant,
        name=name,
        stored=stored,
        found=found,
        agreement=agreement,
        because=because,
    )


def _judged(before: Pooled, after: Pooled | None, name: str) -> tuple[Agreement, str]:
    if after is None:
        return Agreement.OPEN, "no launch of it finished"
    doubt = before.doubt(name) or after.doubt(name)
    if doubt is not None:
        return Agreement.OPEN, doubt
    one, other = read(before.metrics, name), read(after.metrics, name)
    if one is None or other is None or one.interval is None or other.interval is None:
        return Agreement.OPEN, "one side has no interval"
    apart = better(one, other, less=True) or better(other, one, less=True)
    change = f"{other.value / one.value - 1:+.1%}" if one.value else f"{other.value:g} from 0"
    if apart:
        return Agreement.DIFFERS, f"{change}, and the intervals do not meet"
    return Agreement.AGREES, f"{change}, within the noise"
