"""Two endpoints' next-token distributions compared, position by position.

Far more sensitive than tasks: damage that flips no answer still moves probabilities. Pure; reading
the distributions is an adapter's job.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paceline.records.fidelity import Fidelity, FidelityReading, NextToken, Reading, TextReading
from paceline.records.measurement import Interval
from paceline.stats import coin_share, mean_bounds, proportion_bounds

_SMALLEST: Final = 1e-12  # a rest that rounding made zero or negative


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    kl_nats: float
    agrees: bool
    surprise_nats: float  # logprob under the baseline − under the variant, of the same token
    coverage: float


def compare_fidelity(
    variant: FidelityReading, baseline: FidelityReading, again: FidelityReading | None = None
) -> Fidelity | None:
    """`None` when there is no position that both were read at in the same way.

    `again` is the baseline read a second time: what its own arithmetic moves.
    """
    by_text = _by_text(variant, baseline)
    found = [position for positions in by_text.values() for position in positions]
    if not found or variant.reading is None:
        return None
    agreeing = sum(position.agrees for position in found)
    share = proportion_bounds(agreeing, len(found))
    surprise = math.fsum(position.surprise_nats for position in found) / len(found)
    noise = None if again is None else divergences(again, baseline)
    return Fidelity(
        reading=variant.reading,
        positions=len(found),
        mean_kl_nats=_mean_kl(found),
        mean_kl_ci95=_mean_interval([position.kl_nats for position in found]),
        top1_agreement=agreeing / len(found),
        top1_ci95=Interval(lo=share.lo, hi=share.hi),
        perplexity_ratio=math.exp(surprise),
        coverage=math.fsum(position.coverage for position in found) / len(found),
        texts=len(by_text),
        noise_kl_nats=math.fsum(noise.values()) / len(noise) if noise else None,
        p_value=farther_p(divergences(variant, baseline), noise) if noise else None,
    )


def divergences(variant: FidelityReading, baseline: FidelityReading) -> Mapping[str, float]:
    """Mean KL divergence of each text, in nats per token."""
    return {text_id: _mean_kl(found) for text_id, found in _by_text(variant, baseline).items()}


def farther_p(mine: Mapping[str, float], other: Mapping[str, float]) -> float:
    """One-sided sign test: how likely so many texts diverge more in `mine` by chance.

    The same texts, so easy and hard ones cancel out. Nothing is assumed of the distribution but
    that, without a difference, either is as likely to be the farther one. Ties say nothing.
    """
    shared = mine.keys() & other.keys()
    farther = sum(mine[text] > other[text] for text in shared)
    nearer = sum(mine[text] < other[text] for text in shared)
    return coin_share(nearer, farther + nearer)


def kl_lower_bound(base: Mapping[str, float], other: Mapping[str, float]) -> float:
    """KL(base ‖ other) in nats over the tokens that both list and one rest.

    Merging outcomes never raises the divergence (data-processing inequality), so the truth is at
    least this. Values are natural logarithms of probabilities.
    """
    shared = [(math.exp(base[token]), math.exp(other[token])) for token in base if token in other]
    rest = max(1 - sum(p for p, _ in shared), 0.0)
    other_rest = max(1 - sum(q for _, q in shared), _SMALLEST)
    terms = [p * math.log(p / max(q, _SMALLEST)) for p, q in shared if p > 0]
    if rest > _SMALLEST:
        terms.append(rest * math.log(rest / other_rest))
    return max(math.fsum(terms), 0.0)


def _by_text(
    variant: FidelityReading, baseline: FidelityReading
) -> Mapping[str, Sequence[_Position]]:
    """The positions of every text that both were read at, in the same way."""
    if variant.reading is None or variant.reading is not baseline.reading:
        return {}
    theirs = {text.text_id: text for text in baseline.texts}
    found = {
        text.text_id: _positions(text, theirs[text.text_id], variant.reading)
        for text in variant.texts
        if text.text_id in theirs
    }
    return {text_id: positions for text_id, positions in found.items() if positions}


def _mean_kl(found: Sequence[_Position]) -> float:
    return math.fsum(position.kl_nats for position in found) / len(found)


def _positions(
    variant: TextReading, baseline: TextReading, reading: Reading
) -> Sequence[_Position]:
    found = []
    for mine, base in zip(variant.tokens, baseline.tokens, strict=False):
        found.append(_position(_listed(mine), _listed(base), base))
        if reading is Reading.GREEDY and mine.text != base.text:
            break  # from here on the two continue different texts
    return found


def _position(mine: Mapping[str, float], base: Mapping[str, float], at: NextToken) -> _Position:
    # A token that the variant does not list is at most as likely as the least likely it lists.
    known = mine.get(at.text, min(mine.values()))
    return _Position(
        kl_nats=kl_lower_bound(base, mine),
        agrees=_most_likely(mine) == _most_likely(base),
        surprise_nats=at.logprob - known,
        coverage=min(math.fsum(math.exp(base[token]) for token in base if token in mine), 1.0),
    )


def _listed(at: NextToken) -> Mapping[str, float]:
    return {**at.top, at.text: at.logprob}


def _most_likely(listed: Mapping[str, float]) -> str:
    """Ties by text: two engines list equally likely tokens in any order."""
    return min(listed, key=lambda token: (-listed[token], token))


def _mean_interval(values: Sequence[float]) -> Interval | None:
    bounds = mean_bounds(values)
    return None if bounds is None else Interval(lo=max(bounds.lo, 0.0), hi=bounds.hi)
