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

    `run` is between launches (published repeats change by a median 0.9 %, 90th percentile 2 %; on
    shared machines by far more), `rung` what a short window adds, `doubt` what a busy machine does.
    """

    run: float = 0.02
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
    prior = np.array([_prior(variant, expected) for variant in wanted])
    sizes = [_size(variant, expected) for variant in wanted]
    own = [_covariance(v, size, v, size, effects) for v, size in zip(wanted, sizes, strict=True)]
    if not seen:
        return [
            Guess(score=float(mean), sd=math.sqrt(v)) for mean, v in zip(prior, own, strict=True)
        ]
    seen_sizes = [_size(standing.variant, expected) for standing in seen]
    near = _matrix([s.variant for s in seen], seen_sizes, effects)
    near += np.diag([measured_sd(standing, noise) ** 2 for standing in seen])
    across = np.array(
        [
            [
                _covariance(v, size, s.variant, other, effects)
                for s, other in zip(seen, seen_sizes, strict=True)
            ]
            for v, size in zip(wanted, sizes, strict=True)
        ]
    ).reshape(len(wanted), len(seen))
    surprise = np.array([(s.score or 0.0) - _prior(s.variant, expected) for s in seen])
    means = prior + across @ np.linalg.solve(near, surprise)
    variances = np.array(own) - np.einsum("ij,ji->i", across, np.linalg.solve(near, across.T))
    return [
        Guess(score=float(mean), sd=math.sqrt(max(float(variance), 0.0)))
        for mean, variance in zip(means, variances, strict=True)
    ]


def measured_sd(standing: Standing, noise: Noise) -> float:
    """How far a measured score may be from the true one: within launches, between, and short."""
    within = 0.0
    if standing.score is not None and standing.high is not None:
        low = 2 * standing.score - standing.high if standing.low is None else standing.low
        within = (standing.high - low) / (2 * Z95)
    short = 0.0 if standing.complete else noise.rung
    doubt = noise.doubt if standing.doubted else 0.0
    return math.hypot(within, noise.run / math.sqrt(max(standing.launches, 1)), short, doubt)


def _matrix(
    variants: Sequence[Variant], sizes: Sequence[float], effects: Effects
) -> NDArray[np.float64]:
    return np.array(
        [
            [
                _covariance(one, size, other, other_size, effects)
                for other, other_size in zip(variants, sizes, strict=True)
            ]
            for one, size in zip(variants, sizes, strict=True)
        ]
    )


def _prior(variant: Variant, expected: Mapping[str, Outlook]) -> float:
    """As predicted; where the predictor says nothing, what it says of the others on average."""
    outlook = _outlook(variant, expected)
    if outlook is not None:
        return outlook.score
    return math.fsum(o.score for o in expected.values()) / max(len(expected), 1)


def _size(variant: Variant, expected: Mapping[str, Outlook]) -> float:
    """How much of the effects is left to learn: all, or the share that the prediction misses."""
    outlook = _outlook(variant, expected)
    return 1.0 if outlook is None else min(1.0, outlook.sd)


def _outlook(variant: Variant, expected: Mapping[str, Outlook]) -> Outlook | None:
    """Of the variant, or of the same at default knobs: a combination was never predicted."""
    return expected.get(variant.id) or expected.get(plain(variant).id)


def _covariance(
    one: Variant, size: float, other: Variant, other_size: float, effects: Effects
) -> float:
    """Of two scores. No prediction speaks of guessing ahead, so none makes its effect smaller."""
    shared = _likeness(one, other, effects) * size * other_size
    if one.speculation is None or one.speculation != other.speculation:
        return shared
    same_engine = one.engine == other.engine
    return shared + effects.speculation**2 + effects.speculation_and_engine**2 * same_engine


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
