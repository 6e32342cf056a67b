"""One thing to try, and why another was not tried."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Scalar = str | int | float | bool

DRAFT: Final = "draft"
"""Begins the speculation of variants in which a small model guesses ahead: `draft NAME-3f2a91`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A setting of an engine, declared as data by its adapter.

    The first value is the engine's default. `when` says in words when it matters.
    `limits_in_flight`: its values are the most requests that run at once, and do nothing else.
    """

    name: str
    values: tuple[Scalar, ...]
    when: str
    limits_in_flight: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """accelerator × count × format × engine × knobs × speculation.

    `knobs` is sorted by name and holds only what differs from the engine's defaults.
    """

    accelerator: str
    count: int
    format: str
    engine: str
    knobs: tuple[tuple[str, Scalar], ...] = ()
    speculation: str | None = None
    unverified: bool = False
    """Its engine's adapter has not been seen to work on real hardware; no part of the identity."""

    @property
    def id(self) -> str:
        """Readable, stable and unique: `openvino-int8-3f2a91`; the tail hashes what is launched."""
        fields = [
            self.accelerator,
            self.count,
            self.format,
            self.engine,
            sorted(self.knobs),
            self.speculation,
        ]
        digest = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
        return f"{self.engine}-{self.format}-{digest[:6]}"

    @property
    def drafted(self) -> bool:
        """Whether a small model guesses ahead."""
        return self.speculation is not None and self.speculation.startswith(DRAFT)

    @property
    def label(self) -> str:
        """For people: `openvino int8, max_num_batched_tokens=512`."""
        parts = [f"{self.engine} {self.format}"]
        parts += [f"{name}={_plain(value)}" for name, value in self.knobs]
        if self.speculation:
            parts.append(self.speculation)
        if self.unverified:
            parts.append("unverified")
        return ", ".join(parts)


def _plain(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class RejectionReason(StrEnum):
    """Why a variant is not measured, or was measured and is out."""

    NO_CHECKPOINT = "no-checkpoint"
    UNSUPPORTED = "unsupported"
    DOES_NOT_FIT = "does-not-fit"
    ENGINE_NOT_INSTALLED = "engine-not-installed"
    NOT_REQUESTED = "not-requested"
    ABOVE_TIER = "above-tier"
    """The quota of the workspace does not have this accelerator or format."""
    OVER_BUDGET = "over-budget"
    KNOWN_FAILURE = "known-failure"
    LAUNCH_FAILED = "launch-failed"
    CONSTRAINT = "constraint"
    NO_EFFECT = "no-effect"
    """What it changes limits something that this load does not reach."""
    SPECULATION_DOES_NOT_PAY = "speculation-does-not-pay"
    PREDICTED = "predicted-to-lose"
    """Even the optimistic end of its band is behind the pessimistic end of another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A variant that is out, with the comparison that put it out.

    `have` and `need` are the two sides with units as text (`"40.5 GiB"`, `"93.1 GiB"`), `None`
    where the reason is no comparison.
    """

    variant: Variant
    reason: RejectionReason
    detail: str
    have: str | None = None
    need: str | None = None
