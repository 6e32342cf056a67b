"""What a variant that was not launched would score, from those that were: a Gaussian process.

Scores are logarithms, so that effects add: of the accelerator, the engine, the format, of every
changed knob, and of their pairs. Two variants are as similar as the effects that they share, and
what is measured on one moves the guess, and narrows the band, of every variant like it. Where the
predictor speaks, the process is about its error instead of about the score.

Covers the objective alone. Whether a constraint holds is for a measurement to say.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paceline.plan.search.combine import plain
from paceline.records.race import Outlook, Standing
from paceline.records.variant import Variant

Z95: Final = 1.96
UNDENIED: Final = Z95**2 / 2
"""How far a log-likelihood may be below the best one before 95 % confidence denies it."""
OWN_SHARES: Final = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.01)
"""Shares that are tried, most prudent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Standard deviations of what tells variants apart, in natural logarithms.

    Chosen on half of the replayed sweeps (`benchmarks/search.py`, docs/log.md).
    """

    level: float = 3.0
    """Of the model and machine as a whole: next to unknown, the baseline tells it."""
    place: float = 0.8
    engine: float = 0.8
    format: float = 0.3
    engine_and_format: float = 0.2
    knob: float = 0.12
    knob_and_format: float = 0.06
    own: float = 0.02
    """What no other variant tells."""
    predicted: float = 0.45
    """The same of a variant that the predictor tells from its like, as a share of the prediction's
    deviation: what of its error is not shared, in 2,500 pairs of published configurations of one
    model, load, engine and format (docs/log.md)."""
    speculation: float = 0.4
    """Of a way of guessing ahead on this workload, by its acceptance, the same on every engine:
    published gains reach 2 to 3 (Leviathan et al. 2023, table 2), on busy processors it loses."""
    speculation_and_engine: float = 0.25
    """What checking guesses costs an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A score to be expected and its standard deviation."""

    score: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Standard deviations of a measured score around the true one, in natural logarithms.

    `run` is between launches: published repeats change by a median 0.9 %, 90th percentile 2 %;
    those recorded on a shared machine of two cores by 4 to 6 % (docs/log.md). `rung` is what a
    short window adds, `doubt` what a busy machine does.
    """

    run: float = 0.03
    rung: float = 0.04
    doubt: float = 0.1


def guesses(
    wanted: Sequence[Variant],
    standings: Sequence[Standing],
    outlooks: Sequence[Outlook],
    *,
    effects: Effects,
    noise: Noise,
) -> list[Guess]:
    """The posterior of each wanted variant, given every standing that has a score."""
    seen = [standing for standing in standings if standing.score is not None]
    expected = {outlook.variant_id: outlook for outlook in outlooks}
    mean = math.fsum(o.score for o in expected.values()) / max(len(expected), 1)
    asked = [_prior(variant, expected, mean, effects) for variant in wanted]
    known = [_prior(standing.variant, expected, mean, effects) for standing in seen]
    prior = np.array([one.score for one in asked])
    surprise = np.array([(s.score or 0.0) - one.score for s, one in zip(seen, known, strict=True)])
    shared, apart = _matrix(known, known, effects)
    shared += np.diag([measured_sd(standing, noise) ** 2 for standing in seen])
    share = _own_share(surprise, shared, apart)
    own = np.array([sum(_covariance(one, one, effects, share)) for one in asked])
    if not seen:
        return [_guess(*found) for found in zip(prior, own, strict=True)]
    near = shared + share * apart
    across = np.add(*_matrix(asked, known, effects, share))
    means = prior + across @ np.linalg.solve(near, surprise)
    variances = own - np.einsum("ij,ji->i", across, np.linalg.solve(near, across.T))
    return [_guess(*found) for found in zip(means, variances, strict=True)]


def _own_share(
    surprise: NDArray[np.float64], shared: NDArray[np.float64], apart: NDArray[np.float64]
) -> float:
    """Of the variance by which predictions err each on its own, how much the trials leave room for.

    The largest share that they do not contradict: whose likelihood is within 95 % confidence of
    the likeliest (a likelihood ratio; Wilks 1938). A machine on which all predictions err alike is
    told so by its trials; before there are some, nothing is taken off.
    """
    found = [_log_likelihood(surprise, shared + share * apart) for share in OWN_SHARES]
    best = max(found)
    return next(s for s, one in zip(OWN_SHARES, found, strict=True) if one >= best - UNDENIED)


def _log_likelihood(surprise: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Of a normal vector with mean 0, but for a constant."""
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(-0.5 * (surprise @ np.linalg.solve(covariance, surprise) + log_determinant))


def _guess(mean: float, variance: float) -> Guess:
    return Guess(score=float(mean), sd=math.sqrt(max(float(variance), 0.0)))


def told_apart(variant: Variant, expected: Mapping[str, Outlook]) -> Outlook | None:
    """The variant's own prediction, by id; `None` when it only repeats that of default knobs."""
    outlook, default = expected.get(variant.id), expected.get(plain(variant).id)
    if variant == plain(variant) or default is None or outlook is None:
        return outlook
    return None if outlook.score == default.score else outlook


def measured_sd(standing: Standing, noise: Noise) -> float:
    """How far a measured score may be from the true one: within launches, between, and short."""
    within = 0.0
    if standing.score is not None and standing.high is not None:
        low = 2 * standing.score - standing.high if standing.low is None else standing.low
        within = (standing.high - low) / (2 * Z95)
    short = 0.0 if standing.complete else noise.rung
    doubt = noise.doubt if standing.doubted else 0.0
    return math.hypot(within, noise.run / math.sqrt(max(standing.launches, 1)), short, doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prior:
    """What is thought of a variant before any trial.

    `size` is how much of the effects is left to learn: all, or the share that the prediction
    misses. `alone` is the deviation that only those share who rest on the same prediction.
    """

    variant: Variant
    score: float
    size: float
    alone: float
    rests_on: str | None
    """Id of the variant that was predicted: itself, or the same at default knobs."""


def _prior(
    variant: Variant, expected: Mapping[str, Outlook], mean: float, effects: Effects
) -> _Prior:
    """As predicted for it, or for the same at default knobs: a combination was never predicted.
    Where the predictor says nothing, `mean`: what it says of the others on average."""
    default = expected.get(plain(variant).id)
    outlook = expected.get(variant.id) or default
    if outlook is None:
        return _Prior(variant=variant, score=mean, size=1.0, alone=0.0, rests_on=None)
    own = told_apart(variant, expected)
    return _Prior(
        variant=variant,
        score=outlook.score,
        size=min(1.0, outlook.sd),
        alone=effects.predicted * outlook.sd,
        rests_on=plain(variant).id if own is None else variant.id,
    )


def _matrix(
    ones: Sequence[_Prior], others: Sequence[_Prior], effects: Effects, share: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariances by shared effects, and `share` of those by predictions that both rest on."""
    found = [[_covariance(one, other, effects, share) for other in others] for one in ones]
    both = np.array(found).reshape(len(ones), len(others), 2)
    return both[..., 0], both[..., 1]


def _covariance(one: _Prior, other: _Prior, effects: Effects, share: float) -> tuple[float, float]:
    """Of two scores. No prediction speaks of guessing ahead, so none makes its effect smaller."""
    a, b = one.variant, other.variant
    shared = _likeness(a, b, effects) * one.size * other.size
    if a.speculation is not None and a.speculation == b.speculation:
        same_engine = a.engine == b.engine
        shared += effects.speculation**2 + effects.speculation_and_engine**2 * same_engine
    same_prediction = one.rests_on is not None and one.rests_on == other.rests_on
    return shared, share * one.alone * other.alone * same_prediction


def _likeness(one: Variant, other: Variant, effects: Effects) -> float:
    """The variances of the effects that both have."""
    shared = effects.level**2
    same_place = (one.accelerator, one.count) == (other.accelerator, other.count)
    same_engine, same_format = one.engine == other.engine, one.format == other.format
    shared += effects.place**2 * same_place
    shared += effects.engine**2 * same_engine
    shared += effects.format**2 * same_format
    shared += effects.engine_and_format**2 * (same_engine and same_format)
    if same_engine:
        changed = len(set(one.knobs) & set(other.knobs))
        shared += changed * (effects.knob**2 + effects.knob_and_format**2 * same_format)
    return shared + effects.own**2 * (one == other)
