"""Predictions with bands for a batch of deployments: rooflines, queues, correction."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paceline.plan.predict.batching import Physics, physics
from paceline.plan.predict.columns import Counted, counted
from paceline.plan.predict.correction import Correction, corrected, fitted
from paceline.plan.predict.deployment import Array, Batch, Index, Load
from paceline.plan.predict.features import features
from paceline.plan.predict.placement import Placement, placement

CPU_HALF_WIDTHS: Final = (1.0, 1.0, 1.4)
"""Half-widths of the bands of processors, natural logarithms: throughput, TPOT, TTFT. The
correction was learned on accelerators and made processors worse, so that they get the rooflines
alone: eleven variants of four engines on a two-core EPYC (2026-11) lay within a factor of 1.8,
those of a model of 5M parameters within 2.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A predicted value with the bounds that hold 90 % of unseen groups. `[deployments]`."""

    value: Array
    low: Array
    high: Array

    def take(self, chosen: Index | NDArray[np.bool_]) -> "Band":
        """Some of the deployments, by index or mask."""
        return Band(value=self.value[chosen], low=self.low[chosen], high=self.high[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a batch of deployments will do. Figures of those that do not fit mean nothing."""

    fits: NDArray[np.bool_]
    """One sequence of full length fits beside the weights."""
    need_gib: Array
    """Per device: weights, activations, overhead and one sequence."""
    have_gib: Array
    sequences: Array
    """Most sequences of mean length that fit at once, over all devices."""
    at_once: Array
    """Of these, as many as the engine lets decode at once; at least 1."""
    output_tokens_per_s: Band
    tpot_ms: Band
    ttft_ms: Band

    def take(self, chosen: Index | NDArray[np.bool_]) -> "Prediction":
        """Some of the deployments, by index or mask."""
        return Prediction(
            fits=self.fits[chosen],
            need_gib=self.need_gib[chosen],
            have_gib=self.have_gib[chosen],
            sequences=self.sequences[chosen],
            at_once=self.at_once[chosen],
            output_tokens_per_s=self.output_tokens_per_s.take(chosen),
            tpot_ms=self.tpot_ms.take(chosen),
            ttft_ms=self.ttft_ms.take(chosen),
        )


def predict(batch: Batch, model: Correction | None = None) -> Prediction:
    """Predict throughput, TPOT and TTFT. Pure; no state, no I/O after the first call."""
    model = fitted() if model is None else model
    counts = counted(batch)
    place = placement(batch, counts)
    seen = physics(batch, counts, place)
    fix = corrected(features(batch, counts, place, seen), model)
    on_cpu = np.array([d.kind == "cpu" for d in batch.devices])[batch.device_at]
    values, widths = [], []
    for metric, base in enumerate(bases(seen)):
        learned = fix.spread[:, metric] * model.quantiles[metric]
        values.append(np.exp(base + np.where(on_cpu, 0.0, fix.shift[:, metric])))
        widths.append(np.exp(np.where(on_cpu, CPU_HALF_WIDTHS[metric], learned)))
    bands = [
        Band(value=value, low=value / width, high=value * width)
        for value, width in zip(values, widths, strict=True)
    ]
    return _prediction(batch, counts, place, bands)


def bases(seen: Physics) -> tuple[Array, Array, Array]:
    """Logarithms that the corrections are added to: throughput, TPOT, TTFT."""
    return np.log(seen.out_tok_s), np.log(seen.tpot_ms), np.log(seen.ttft_ms)


def _prediction(batch: Batch, counts: Counted, place: Placement, bands: list[Band]) -> Prediction:
    throughput, tpot, ttft = bands
    # an open loop cannot put out more than is asked for
    asked = np.where(
        (batch.load == Load.OPEN) & np.isfinite(batch.requests_per_s),
        batch.requests_per_s * batch.output_tokens,
        np.inf,
    )
    throughput = Band(
        value=np.minimum(throughput.value, asked),
        low=np.minimum(throughput.low, asked),
        high=np.minimum(throughput.high, asked * 1.05),
    )
    gib = 2.0**30
    sequence = place.kv_bytes_per_token * (batch.input_tokens + batch.output_tokens)
    need = place.weight_bytes + place.activation_bytes + place.overhead_bytes
    return Prediction(
        fits=place.sequences_at_most >= 1.0,
        need_gib=(need + sequence + place.state_bytes) / gib,
        have_gib=place.most_bytes / gib,
        sequences=np.maximum(0.0, np.floor(place.sequences)) * place.lanes,
        at_once=np.maximum(1.0, np.minimum(np.floor(place.sequences), counts.max_sequences))
        * place.lanes,
        output_tokens_per_s=throughput,
        tpot_ms=tpot,
        ttft_ms=ttft,
    )
