"""Whether guessing ahead paid on this workload: a variant against itself without speculation.

What does not win is kept out, with the acceptance that was measured and the one from which on it
would have paid. Nothing is decided while the load figures of either cannot be trusted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from paceline.rank.choose import Candidate
from paceline.rank.objective import Objective
from paceline.rank.reading import Reading, better, read
from paceline.records.measurement import Metric
from paceline.records.metric_names import (
    OUTPUT_TOKENS_PER_S,
    SPECULATION_ACCEPTANCE,
    SPECULATION_DRAFT_RATIO,
    SPECULATION_MEAN_LENGTH,
    latency_name,
)
from paceline.records.request import Priority
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.stats import Bounds

TPOT = latency_name("tpot", "mean")
TTFT = latency_name("ttft", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speed:
    """What the two are compared by."""

    name: str
    less_is_better: bool
    own: Reading
    plain: Reading
    short: bool
    """One of the two ended at its first rung."""


def idle_guesses(
    candidates: Sequence[Candidate], goal: Objective, priority: Priority
) -> Mapping[Variant, Rejection]:
    """The speculative variants that do not beat the same variant without, beyond the noise."""
    found = {}
    for candidate, plain in _pairs(candidates):
        if candidate.measured.pooled.unsound or plain.measured.pooled.unsound:
            continue
        speed = _speed(candidate, plain, goal, priority)
        if speed is not None and _loses(speed):
            found[candidate.variant] = _rejection(candidate, plain, speed)
    return found


def guess_notes(candidates: Sequence[Candidate]) -> Mapping[Variant, str]:
    """For each speculative variant, what its guesses were worth and what they cost."""
    return {
        candidate.variant: _account(
            candidate.measured.pooled.metrics, plain.measured.pooled.metrics
        )
        for candidate, plain in _pairs(candidates)
    }


def break_even_acceptance(
    metrics: Mapping[str, Metric], plain: Mapping[str, Metric]
) -> float | None:
    """The acceptance rate from which on speculation would pay at this load; may exceed 1.

    With N tokens written, D drafted and A accepted, the model made P = N − A passes: each accepted
    token spares one. A pass cost R·N ÷ P of a plain one, R being the ratio of the times per token
    (with speculation ÷ without). It pays when a pass yields more tokens than it costs passes,
    1 + a·D ÷ P > R·N ÷ P, which at equality gives

        a* = a + (R − 1) · N ÷ D

    with the measured a = A ÷ D. The cost of a pass and the tokens drafted in it are taken as they
    were measured. This is the condition of Leviathan et al. 2023, "Fast Inference from Transformers
    via Speculative Decoding", section 3.3, with the costs measured instead of assumed: there a
    check costs nothing beyond a pass and a draft a share c of one, here both are inside R.
    """
    rate, drafted = metrics.get(SPECULATION_ACCEPTANCE), metrics.get(SPECULATION_DRAFT_RATIO)
    own, without = metrics.get(TPOT), plain.get(TPOT)
    if rate is None or drafted is None or own is None or without is None:
        return None
    if drafted.value <= 0 or without.value <= 0:
        return None
    return rate.value + (own.value / without.value - 1.0) / drafted.value


def _pairs(candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """Each speculative variant with the same variant without, where both were measured."""
    by_variant = {candidate.variant: candidate for candidate in candidates}
    for candidate in candidates:
        plain = by_variant.get(replace(candidate.variant, speculation=None))
        if candidate.variant.speculation is not None and plain is not None:
            yield candidate, plain


def _speed(
    candidate: Candidate, plain: Candidate, goal: Objective, priority: Priority
) -> _Speed | None:
    """By the objective; by throughput where that is quality, which guesses do not change, and where
    one ended at its first rung, before it was asked anything."""
    name, less = goal.unit, goal.less_is_better
    own, other = candidate.objective, plain.objective
    short = any(c.measured.pooled.cut is not None for c in (candidate, plain))
    if priority is Priority.QUALITY or short:
        name, less = OUTPUT_TOKENS_PER_S, False
        own, other = _rate(candidate), _rate(plain)
    if own is None or other is None or own.bounds is None or other.bounds is None:
        return None
    return _Speed(name=name, less_is_better=less, own=own, plain=other, short=short)


def _loses(speed: _Speed) -> bool:
    """A whole window that shows no gain shows that there is none worth having; a first rung has to
    show a loss."""
    if speed.short:
        return better(speed.plain, speed.own, less=speed.less_is_better)
    return not better(speed.own, speed.plain, less=speed.less_is_better)


def _rate(candidate: Candidate) -> Reading | None:
    """Tokens per second. Of a first rung, whose requests are too few for an interval, as many of
    them as are in flight may belong to either side of its edges."""
    pooled, workload = candidate.measured.pooled, candidate.measured.workload
    found = read(pooled.metrics, OUTPUT_TOKENS_PER_S)
    if found is None or found.bounds is not None or pooled.cut is None:
        return found
    off = 1 + workload.concurrency / max(pooled.metrics[OUTPUT_TOKENS_PER_S].n, 1)
    return replace(found, bounds=Bounds(lo=found.value / off, hi=found.value * off))


def _rejection(candidate: Candidate, plain: Candidate, speed: _Speed) -> Rejection:
    metrics, base = candidate.measured.pooled.metrics, plain.measured.pooled.metrics
    rate = metrics.get(SPECULATION_ACCEPTANCE)
    needed = break_even_acceptance(metrics, base)
    worse = better(speed.plain, speed.own, less=speed.less_is_better)
    return Rejection(
        variant=candidate.variant,
        reason=RejectionReason.SPECULATION_DOES_NOT_PAY,
        detail=f"{speed.own.value:.4g} {speed.name} against {speed.plain.value:.4g} without: "
        f"{'worse' if worse else 'not better beyond the noise'}; {_account(metrics, base)}",
        have=None if rate is None else f"{rate.value:.0%} accepted",
        need=None if needed is None else f"{needed:.0%} accepted",
    )


def _account(metrics: Mapping[str, Metric], base: Mapping[str, Metric]) -> str:
    needed = break_even_acceptance(metrics, base)
    parts = [_guesses(metrics), _needed(needed, metrics, base), _ttft_cost(metrics, base)]
    return "; ".join(part for part in parts if part)


def _guesses(metrics: Mapping[str, Metric]) -> str:
    rate, length = metrics.get(SPECULATION_ACCEPTANCE), metrics.get(SPECULATION_MEAN_LENGTH)
    if length is None:
        return "the engine did not say how many guesses were right"
    if rate is None:
        return "nothing was ever guessed"
    return f"{rate.value:.0%} of {rate.n:,} guesses were right, {length.value:.2f} tokens per check"


def _needed(needed: float | None, metrics: Mapping[str, Metric], base: Mapping[str, Metric]) -> str:
    if needed is None:
        return ""
    slower = metrics[TPOT].value / base[TPOT].value
    times = f"a token took {slower:.2f} times as long"
    if needed > 1.0:
        return f"{times}: no acceptance would make it pay at this load (break-even {needed:.0%})"
    return f"{times}: it pays from {max(needed, 0.0):.0%} on"


def _ttft_cost(metrics: Mapping[str, Metric], base: Mapping[str, Metric]) -> str:
    own, plain = metrics.get(TTFT), base.get(TTFT)
    if own is None or plain is None or plain.value <= 0:
        return ""
    apart_ms = own.value - plain.value
    return f"mean TTFT {apart_ms:+.3g} ms ({apart_ms / plain.value:+.0%})"
