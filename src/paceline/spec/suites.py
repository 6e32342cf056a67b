"""What quality is measured with: `NAME` or `FILE`, and `mine=FILE` for the user's own set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.request import Beside, Constraint
from paceline.spec.names import unknown_name

MINE: Final = "mine"
OF_MINE: Final = f"quality({MINE})"
_MEASURED_BY: Final = {"quality(load)": Beside.LOAD, "quality(long)": Beside.CONTEXT}
"""Metrics that are measured only when they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteNames:
    """As given: the suite that all are compared on, and the user's own. Nothing is opened here."""

    main: str | None = None
    own: str | None = None


def parse_suites(texts: Sequence[str]) -> SuiteNames:
    """At most one of each kind. Raises SpecError for a third one or a label that does not exist.

    A mixture (`0.7*standard+0.3*mine.jsonl`) is one suite.
    """
    found: dict[str, str] = {}
    for text in texts:
        label, equals, name = text.partition("=")
        if not equals:
            label, name = "", text
        elif label != MINE:
            raise unknown_name("label of a suite", label, (MINE,), where=text)
        if not name or label in found:
            raise SpecError(
                Code.BAD_OPTION,
                f"cannot take {text!r} as a suite",
                why=f"{found[label]!r} is one already" if name else "no name or file is given",
                fix="--suite standard --suite mine=FILE.jsonl",
            )
        found[label] = name
    return SuiteNames(main=found.get(""), own=found.get(MINE))


def with_limited(asked: Iterable[Beside], constraints: Iterable[Constraint]) -> tuple[Beside, ...]:
    """What is asked besides the suite, with what a limit is about: naming one switches it on."""
    limited = {_MEASURED_BY.get(constraint.metric) for constraint in constraints}
    return tuple(beside for beside in Beside if beside in {*asked, *limited})


def require_own_suite(constraints: Iterable[Constraint], own: str | None) -> None:
    """Raises SpecError when a limit is about a test set that was not given."""
    text = next((one.text for one in constraints if one.metric == OF_MINE), None)
    if text is not None and own is None:
        raise SpecError(
            Code.CONTRADICTION,
            f"{text!r} is about your own test set, and none was given",
            why=f"{OF_MINE} is the score of the file that `--suite {MINE}=FILE` names",
            fix=f"--suite {MINE}=FILE.jsonl",
        )
