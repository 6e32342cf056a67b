"""What was left out, for people and programs to read: each ground once, with how many it covers.

Plans and receipts keep every variant. But what an engine cannot load at default knobs it cannot
load at any, and a list that says so once per knob hides what else it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.variant import Rejection, RejectionReason, Variant

WHATEVER_KNOBS: Final = frozenset(
    {
        RejectionReason.UNSUPPORTED,
        RejectionReason.NO_CHECKPOINT,
        RejectionReason.ENGINE_NOT_INSTALLED,
        RejectionReason.NOT_REQUESTED,
    }
)
"""Grounds that do not come from a variant's own figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A rejection and the number of variants that share it: its own, and the same with other
    knobs or guessing ahead."""

    rejection: Rejection
    variants: int


def ledger(rejected: Iterable[Rejection]) -> tuple[Entry, ...]:
    """In the order of `rejected`; a ground is shared when every word and figure of it is."""
    rejected = tuple(rejected)
    whole = {r for r in rejected if r.reason in WHATEVER_KNOBS and r.variant == _plain(r.variant)}
    counts: dict[Rejection, int] = {}
    for rejection in rejected:
        shared = replace(rejection, variant=_plain(rejection.variant))
        first = shared if shared in whole else rejection
        counts[first] = counts.get(first, 0) + 1
    return tuple(Entry(rejection=r, variants=count) for r, count in counts.items())


def _plain(variant: Variant) -> Variant:
    return replace(variant, knobs=(), speculation=None)
