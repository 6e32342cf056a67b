"""Several suites as one: `0.7*standard+0.3*mine.jsonl`.

Items and categories carry the name of their suite in front, so that two suites may use the same.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.quality import Item, Suite

_PART: Final = re.compile(r"(\d*\.?\d+)\*(.+)")
_SUM_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One suite and its share of the composite."""

    share: float
    name: str


def parts_of(name: str) -> tuple[Part, ...] | None:
    """The parts of a mixture; `None` when the name is that of one suite.

    Raises SpecError when shares do not sum to 1.
    """
    found = [_PART.fullmatch(part.strip()) for part in name.split("+")]
    if not all(found):
        return None
    parts = tuple(Part(share=float(one[1]), name=one[2]) for one in found if one)
    total = sum(part.share for part in parts)
    if abs(total - 1) > _SUM_TOLERANCE or min(part.share for part in parts) <= 0:
        raise SpecError(
            Code.BAD_OPTION,
            f"the shares in {name!r} make no mixture",
            why=f"{' + '.join(str(part.share) for part in parts)} = {total:g}, not 1",
            fix="--suite 0.7*standard+0.3*mine.jsonl",
        )
    return parts


def mixture_of(name: str, parts: Sequence[Part], suites: Sequence[Suite]) -> Suite:
    """One suite of all the items. Raises SpecError when two parts have the same name, or two
    bring a scorer file."""
    names = [suite.name for suite in suites]
    files = [suite.scorer_path for suite in suites if suite.scorer_path]
    if len(set(names)) < len(names) or len(files) > 1:
        raise SpecError(
            Code.BAD_OPTION,
            f"the suites in {name!r} cannot be mixed",
            why=f"their names are {names}, their scorer files {files}",
            fix="mix suites of different names, at most one of them with `scorer_path`",
        )
    weights = {
        f"{suite.name}/{category}": part.share * share
        for part, suite in zip(parts, suites, strict=True)
        for category, share in _shares(suite).items()
    }
    key = [[part.share, suite.sha256] for part, suite in zip(parts, suites, strict=True)]
    return Suite(
        name=name,
        version="+".join(suite.version for suite in suites),
        sha256=hashlib.sha256(json.dumps(key).encode()).hexdigest(),
        items=tuple(_renamed(item, suite) for suite in suites for item in suite.items),
        weights=weights,
        scorer_path=files[0] if files else None,
    )


def _shares(suite: Suite) -> dict[str, float]:
    """Each category's share within its suite, stated or by the weight of its items."""
    if suite.weights is not None:
        return dict(suite.weights)
    sums: dict[str, float] = {}
    for item in suite.items:
        sums[item.category] = sums.get(item.category, 0.0) + item.weight
    total = sum(sums.values())
    return {category: weight / total for category, weight in sums.items()}


def _renamed(item: Item, suite: Suite) -> Item:
    return replace(
        item,
        item_id=f"{suite.name}/{item.item_id}",
        category=f"{suite.name}/{item.category}",
    )
