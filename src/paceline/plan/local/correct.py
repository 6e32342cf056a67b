"""Predictions corrected by what was measured on the same machine.

The error of a prediction (natural logarithm of measured over predicted) is taken as a sum of
random effects: of the accelerator, of the engine on it, of the engine and format on it, of the
model, of the exact variant, and of that under this load. Their best linear unbiased prediction
(BLUP; Henderson 1975, Biometrics 31:423; Robinson 1991, Statistical Science 6:15) shrinks towards
zero where little was measured: with n errors of one engine and format and mean e, the shift is
about e x shared / (shared + (own + noise) / n); the band keeps the part that nothing has told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.predict.deployment import Array

SHARES: Final = (
    ("place", 0.15),
    ("engine", 0.10),
    ("format", 0.05),
    ("model", 0.05),
    ("variant", 0.15),
    ("load", 0.50),
)
"""Parts of the predictor's own variance. That of the load is largest: the same variant at 1 and at
8 requests in flight missed its predictions by factors that lay as far apart as those of different
variants (eleven variants of four engines, two-core EPYC, 2026-11). Chosen on those, not fitted."""
NOISE_SD: Final = 0.1
"""Between launches of one variant: published repeats move throughput by 2 % and TTFT by up to 10,
on machines that have nothing else to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What one prediction shares with another."""

    place: str
    engine: str
    format: str
    model: str
    variant: str
    load: str

    def effects(self) -> tuple[tuple[str, ...], ...]:
        """Names of its effects, in the order of `SHARES`."""
        return (
            (self.place,),
            (self.place, self.engine),
            (self.place, self.engine, self.format),
            (self.place, self.model),
            (self.place, self.model, self.variant),
            (self.place, self.model, self.variant, self.load),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """`[wanted]`: what to add to the logarithm, and by what to multiply its standard deviation."""

    shift: Array
    narrower: Array


def corrections(
    wanted: Sequence[Key], wanted_sd: Array, seen: Sequence[Key], errors: Array, seen_sd: Array
) -> Corrections:
    """The posterior of the errors of `wanted`, given those `seen`.

    `wanted_sd` and `seen_sd` are what the predictor itself says of each, in natural logarithms.
    """
    if not len(errors):
        return Corrections(shift=np.zeros(len(wanted)), narrower=np.ones(len(wanted)))
    among = _alike(seen, seen) + np.diag((NOISE_SD / seen_sd) ** 2)
    across = _alike(wanted, seen)
    weights = np.linalg.solve(among, across.T)
    shift = wanted_sd * (weights.T @ (errors / seen_sd))
    left = 1.0 - np.einsum("ij,ji->i", across, weights)
    return Corrections(shift=shift, narrower=np.sqrt(np.maximum(0.0, left)))


def _alike(one: Sequence[Key], other: Sequence[Key]) -> Array:
    """Correlation of errors: the shares of the effects that two predictions have in common."""
    total = np.zeros((len(one), len(other)))
    for at, (_, share) in enumerate(SHARES):
        names: dict[tuple[str, ...], int] = {}
        left = np.array([names.setdefault(key.effects()[at], len(names)) for key in one])
        right = np.array([names.setdefault(key.effects()[at], len(names)) for key in other])
        total += share * (left[:, None] == right[None, :])
    return total
