"""Which formats an engine loads on which accelerators, and why not on others.

Each engine's adapter declares its rows as data, each with its source; the rule that applies them is
here, once. A row speaks of one engine version: the one that the adapter pins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paceline.records.hardware import Accelerator, AcceleratorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """One format on one kind of accelerator.

    `from_capability` is the CUDA compute capability from which on there is a kernel; `features` are
    those of which the accelerator must have one; with `why_not` there is none at all.
    """

    format: str
    kind: AcceleratorKind
    source: str
    from_capability: float | None = None
    features: tuple[str, ...] = ()
    why_not: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something an engine needs on this machine besides its environment.

    `found` says what was found (a path, a version), `None` that it is missing; `fix` is what to do
    then.
    """

    name: str
    found: str | None
    why: str
    fix: str


def why_unsupported(
    rows: Sequence[Support], *, engine: str, accelerator: Accelerator, format_: str
) -> str | None:
    """Why `engine` cannot load this format here, with both sides and the source; `None`: it can.

    What no row speaks of is unsupported. An unknown compute capability is given the benefit of the
    doubt: the engine itself will say.
    """
    if not rows_of(rows, format_):
        known = dict.fromkeys(row.format for row in rows)
        return f"{engine} serves {', '.join(known)}, not {format_}"
    row = next((row for row in rows_of(rows, format_) if row.kind is accelerator.kind), None)
    if row is None:
        kinds = ", ".join(dict.fromkeys(row.kind.value for row in rows_of(rows, format_)))
        return f"{engine} loads {format_} on {kinds} only, not on a {accelerator.kind.value}"
    lacking = _lacking(row, accelerator)
    return None if lacking is None else f"{engine}, {format_}: {lacking} ({row.source})"


def rows_of(rows: Iterable[Support], format_: str) -> tuple[Support, ...]:
    """The rows that speak of one format."""
    return tuple(row for row in rows if row.format == format_)


def _lacking(row: Support, accelerator: Accelerator) -> str | None:
    if row.why_not is not None:
        return row.why_not
    has, needs = accelerator.compute_capability, row.from_capability
    if has is not None and needs is not None and has < needs:
        return f"needs compute capability {needs}, {accelerator.name} has {has}"
    if row.features and not set(row.features) & set(accelerator.features):
        needed = " or ".join(row.features)
        return f"needs {needed}, {accelerator.name} has {', '.join(accelerator.features) or 'none'}"
    return None
