"""The order in which candidates are offered, and why each stands where it does.

What was stated beats what a name suggests, what can be fetched beats what cannot, the authors of
the base beat others; then whatever most people use. No account is trusted by name.
"""

from collections.abc import Iterable
from dataclasses import replace

from paceline.adapters.hub.huggingface.client import Repo
from paceline.records.checkpoint import Candidate, Gate


def ordered(candidates: Iterable[Candidate], base: Repo) -> tuple[Candidate, ...]:
    """Best first, each with its reasons."""
    ranked = sorted(candidates, key=lambda candidate: _key(candidate, base))
    return tuple(replace(one, reasons=_reasons(one, base)) for one in ranked)


def _key(candidate: Candidate, base: Repo) -> tuple[object, ...]:
    return (
        not candidate.stated,
        candidate.gate is not Gate.OPEN,
        _author(candidate.repo) != _author(base.name),
        -(candidate.downloads or 0),
        candidate.repo,
        candidate.size_bytes,
    )


def _reasons(candidate: Candidate, base: Repo) -> tuple[str, ...]:
    reasons = [
        f"tagged as made from {base.name}"
        if candidate.stated
        else "found by its name only: no tag says what it was made from"
    ]
    if _author(candidate.repo) == _author(base.name):
        reasons.append("by the authors of the base")
    if candidate.downloads is not None:
        reasons.append(f"{candidate.downloads:,} downloads")
    if candidate.gate is not Gate.OPEN:
        reasons.append(f"gated ({candidate.gate})")
    if candidate.licence != base.licence:
        reasons.append(
            f"licence {candidate.licence or 'not stated'}; the base has"
            f" {base.licence or 'none stated'}"
        )
    return tuple(reasons)


def _author(name: str) -> str:
    return name.partition("/")[0]
