"""Names that a user typed against the names that exist."""

import difflib
from collections.abc import Iterable

from paceline.errors import Code, SpecError


def require_known(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first of `given` that is not in `known`; `kind` is what it names, e.g. `engine`.

    Raises SpecError (`unknown-name`) with the nearest known name.
    """
    choices = sorted(known)
    for name in given:
        if name not in choices:
            raise unknown_name(kind, name, choices)


def unknown_name(kind: str, name: str, choices: Iterable[str], *, where: str = "") -> SpecError:
    """The error for a name that does not exist; `where` quotes what it stands in."""
    ordered = list(choices)
    close = difflib.get_close_matches(name.lower(), ordered, n=1, cutoff=0.6)
    near = ordered if len(ordered) == 1 else close
    inside = f" in {where!r}" if where else ""
    return SpecError(
        Code.UNKNOWN_NAME,
        f"unknown {kind} {name!r}{inside}",
        why=f"the {kind} can be: {', '.join(ordered)}",
        fix=f"write {near[0]!r}" if near else "choose one of these",
    )
