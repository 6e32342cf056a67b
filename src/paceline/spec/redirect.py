"""What changes about an earlier request: plain words and flags on top of it.

Words are those of a request (`spec.words`) and clauses that choose: "only llama.cpp", "skip GPTQ",
"without openvino or vllm". A limit replaces an earlier one on the same figure from the same side;
a limit without its metric ("p95 under 300 ms instead") means the only earlier one that it fits.
Everything that is not said stays. What is not understood is an error that names the words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.request import Constraint, Request
from paceline.spec.contradiction import refuse_contradictions, subject
from paceline.spec.metrics import TIMES_S
from paceline.spec.names import unknown_name
from paceline.spec.read import (
    NOTHING_SAID,
    Asked,
    RequestText,
    asked_by_file,
    first,
    first_budget,
    read_beside,
    read_flags,
    refuse_conflicts,
)
from paceline.spec.suites import require_own_suite, with_limited
from paceline.spec.tokens import Value, cut
from paceline.spec.vocabulary import Meaning, Role
from paceline.spec.words import Understood, budget_texts, parse_words
from paceline.spec.workloads import DEFAULT, PRESETS

FIELDS: Final = {"engine": "engines", "format": "formats", "hardware": "hardware"}
"""What can be chosen, and the field of a request that it goes to."""
_CHOOSE: Final = r"^(?:please\s+)?(?:use\s+)?(?:only|just|nothing but)\s+(?:use\s+|on\s+|with\s+)?"
_LEAVE: Final = r"^(?:please\s+)?(?:skip|without|no|not|except|exclude|drop|leave out|avoid)\s+"
_CLAUSES: Final = re.compile(r"\s*(?:[,;]|\band\b|\bbut\b)\s*", re.IGNORECASE)
_LISTED: Final = re.compile(r"\s*(?:/|\bor\b|\bnor\b|\s)\s*", re.IGNORECASE)
_INSTEAD: Final = re.compile(r"\b(?:instead|rather|this time|now)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What can be chosen or left out, by kind: `engine`, `format` and `hardware`.

    `on_demand` are engines that are tried, or refused, where they are named only: "skip vllm" means
    all others but these.
    """

    by_kind: Mapping[str, tuple[str, ...]]
    on_demand: tuple[str, ...] = ()

    def matching(self, word: str) -> list[tuple[str, str]]:
        """Kind and name of everything that `word` means: itself, or the beginning of formats."""
        wanted = _plain(word)
        exact = [(k, n) for k, names in self.by_kind.items() for n in names if _plain(n) == wanted]
        begins = [
            ("format", name)
            for name in self.by_kind.get("format", ())
            if _plain(name).startswith(wanted)
        ]
        return exact or begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """The new request, and each change in a line: what it is now, what it was."""

    request: Request
    changes: tuple[str, ...]


@dataclass(slots=True)
class _Chosen:
    """Names by kind that are asked for, and that are not wanted."""

    only: dict[str, list[str]]
    out: dict[str, list[str]]


def redirect(
    before: Request,
    *,
    flags: Asked,
    words: str | None,
    names: Names,
    file: RequestText | None = None,
) -> Redirected:
    """`before` with what a file changes, then flags and words.

    Raises SpecError: `not-understood` naming the words, `unknown-name` for a name that nothing
    here has, `contradiction` when everything of a kind is left out or another model is named,
    `bad-option` when nothing changes.
    """
    chosen, nobody = _Chosen(only={}, out={}), _Chosen(only={}, out={})
    request = before
    if file is not None:
        stored = asked_by_file(file, usual=_usual(before))
        _refuse_another(before, stored, file)
        request = _changed(request, stored, NOTHING_SAID, nobody, names)
    said = NOTHING_SAID
    if words:
        rest = _choices(words, names, chosen)
        if rest:
            said = parse_words(", ".join(_completed(clause, request) for clause in rest))
    request = _changed(request, flags, said, chosen, names)
    refuse_contradictions(request.constraints)
    require_own_suite(request.constraints, request.own_suite)
    changes = tuple(_changes(before, request, chosen))
    if not changes:
        raise SpecError(
            Code.BAD_OPTION,
            "nothing changes",
            why=f"{words or 'no flag'!r} asks for what the earlier run asked for already",
            fix="say what is to be different, or use --resume to go on with the run",
        )
    return Redirected(request=request, changes=changes)


def _refuse_another(before: Request, stored: Asked, file: RequestText) -> None:
    """No trial of one model, or of one kind of image request, says anything of another."""
    mode = None if before.mode is None else before.mode.value
    for what, new, old in (("model", stored.model, before.model), ("mode", stored.mode, mode)):
        if new is not None and new != old:
            raise SpecError(
                Code.CONTRADICTION,
                f"{file.name} names another {what} than the earlier run",
                why=f"the file says {new!r}, the run measured {old!r}, and no trial of it holds",
                fix=f"take `{what}` out of the file, or start a new run without --from",
            )


def _changed(
    before: Request, asked: Asked, said: Understood, chosen: _Chosen, names: Names
) -> Request:
    request = _with(before, asked, said)
    return replace(request, **_selected(before, asked, chosen, names))  # type: ignore[arg-type]  # three tuples of names


def _choices(words: str, names: Names, chosen: _Chosen) -> list[str]:
    """Sort choosing clauses into `chosen`; the other clauses come back."""
    rest: list[str] = []
    last: dict[str, list[str]] | None = None
    for clause in _CLAUSES.split(_INSTEAD.sub("", words)):
        text = clause.strip().rstrip(".!").strip()
        if not text:
            continue
        verb = re.match(_CHOOSE, text, re.IGNORECASE)
        leave = re.match(_LEAVE, text, re.IGNORECASE)
        if verb or leave:
            found = verb or leave
            last = chosen.only if verb else chosen.out
            _choose(text[found.end() if found else 0 :], names, last, clause=text)
        elif last is not None and all(names.matching(w) for w in _LISTED.split(text) if w):
            _choose(text, names, last, clause=text)  # "only openvino and llama.cpp"
        else:
            last = None
            rest.append(text)
    return rest


def _choose(listed: str, names: Names, into: dict[str, list[str]], *, clause: str) -> None:
    for word in filter(None, _LISTED.split(listed.strip())):
        found = names.matching(word)
        if not found:
            known = [name for kind in FIELDS for name in names.by_kind.get(kind, ())]
            raise unknown_name("engine, format or accelerator", word, known, where=clause)
        for kind, name in found:
            into.setdefault(kind, []).append(name)


def _completed(clause: str, before: Request) -> str:
    """A limit that names a statistic and a time but no metric, with the metric that it must mean:
    that of the only earlier limit with the same statistic."""
    pieces = cut(clause)
    meanings = [p.meaning for p in pieces if isinstance(p.meaning, Meaning)]
    values = [p.meaning for p in pieces if isinstance(p.meaning, Value)]
    statistics = [m.value for m in meanings if m.role is Role.STATISTIC]
    if any(m.role is Role.METRIC for m in meanings) or len(values) != 1 or len(statistics) != 1:
        return clause
    fitting = {c.metric for c in before.constraints if c.statistic == statistics[0]}
    if values[0].unit not in TIMES_S or len(fitting) != 1:
        return clause
    return f"{fitting.pop()} {clause}"


def _with(before: Request, flags: Asked, said: Understood) -> Request:
    typed = read_flags(flags, _usual(before))
    refuse_conflicts(typed, said)
    constraints = (*typed.constraints, *said.constraints)
    taken = {subject(constraint) for constraint in constraints}
    kept = tuple(c for c in before.constraints if subject(c) not in taken)
    return replace(
        before,
        priority=typed.priority or said.priority or before.priority,
        constraints=tuple(dict.fromkeys((*kept, *constraints))),
        workload=typed.workload or before.workload,
        budget=first_budget(typed.budget, said.budget, before.budget),
        pipeline=flags.pipeline or before.pipeline,
        price_usd_per_hour=None
        if flags.prices
        else first(flags.price_usd_per_hour, before.price_usd_per_hour),
        price_source=before.price_source if flags.price_usd_per_hour is None else None,
        prices=flags.prices or before.prices,
        quality_items=first(flags.quality_items, before.quality_items),
        quality_share=first(flags.quality_share, before.quality_share) or before.quality_share,
        beside=with_limited(read_beside(flags.beside) or before.beside, constraints),
        suite=first(typed.suites.main, before.suite),
        own_suite=first(typed.suites.own, before.own_suite),
        seed=before.seed if flags.seed is None else flags.seed,
        draft=flags.draft or before.draft,
        accept_license=flags.accept_license or before.accept_license,
    )


def _usual(before: Request) -> str:
    """Overrides without a preset are about the load of the earlier run."""
    name = before.workload.name
    return name if name in PRESETS else DEFAULT


def _selected(
    before: Request, flags: Asked, chosen: _Chosen, names: Names
) -> dict[str, tuple[str, ...]]:
    formats = flags.formats if flags.pin is None else (flags.pin,)
    found = {}
    flagged_by_kind = {"engine": flags.engines, "format": formats, "hardware": flags.hardware}
    for kind, field in FIELDS.items():
        flagged = flagged_by_kind[kind]
        earlier: tuple[str, ...] = getattr(before, field)
        now = tuple(dict.fromkeys((*flagged, *chosen.only.get(kind, ())))) or earlier
        out = chosen.out.get(kind, [])
        if out:
            known = now or [n for n in names.by_kind.get(kind, ()) if n not in names.on_demand]
            left = tuple(name for name in known if name not in out)
            if not left:
                raise _nothing_left(kind, out)
            now = left
        found[field] = now
    return found


def _nothing_left(kind: str, out: Sequence[str]) -> SpecError:
    return SpecError(
        Code.CONTRADICTION,
        f"nothing is left of every {kind}",
        why=f"left out is {', '.join(out)}, and the request has no other",
        fix=f"leave out less, or name what to use: only {out[0]}",
    )


def _changes(before: Request, now: Request, chosen: _Chosen) -> Iterable[str]:
    if now.priority is not before.priority:
        yield f"priority {now.priority} (was {before.priority})"
    yield from _limit_changes(before.constraints, now.constraints)
    for kind, field in FIELDS.items():
        new, old = getattr(now, field), getattr(before, field)
        out = chosen.out.get(kind)
        listed = f"without {', '.join(out)}" if out else ", ".join(new) or "all"
        if new != old:
            yield f"{field} {listed} (were {', '.join(old) or 'all'})"
    if now.workload != before.workload:
        yield f"another workload, {now.workload.name} (was {before.workload.name})"
    if now.budget != before.budget:
        old_texts = " and ".join(budget_texts(before.budget)) or "none"
        yield f"budget {' and '.join(budget_texts(now.budget)) or 'none'} (was {old_texts})"
    if now.price_usd_per_hour != before.price_usd_per_hour:
        yield f"price {now.price_usd_per_hour} usd/h (was {before.price_usd_per_hour})"
    if now.prices != before.prices:
        yield f"prices of {', '.join(price.accelerator for price in now.prices)}"
    if now.pipeline != before.pipeline:
        yield f"pipeline {now.pipeline} (was {before.pipeline})"
    yield from _question_changes(before, now)


def _question_changes(before: Request, now: Request) -> Iterable[str]:
    pairs = (
        ("suite", now.suite, before.suite, "the usual"),
        ("own test set", now.own_suite, before.own_suite, "none"),
        ("quality items", now.quality_items, before.quality_items, "all"),
        ("quality share", now.quality_share, before.quality_share, ""),
        ("seed", str(now.seed), str(before.seed), ""),
        ("draft", now.draft, before.draft, "none"),
        ("besides", ", ".join(now.beside), ", ".join(before.beside), "nothing"),
    )
    for what, new, old, unsaid in pairs:
        if new != old:
            yield f"{what} {new or unsaid} (was {old or unsaid})"


def _limit_changes(before: Sequence[Constraint], now: Sequence[Constraint]) -> Iterable[str]:
    earlier = {subject(constraint): constraint for constraint in before}
    for constraint in now:
        old = earlier.get(subject(constraint))
        if old is None:
            yield f"limit {constraint.text} (new)"
        elif old != constraint:
            yield f"limit {constraint.text} (was {old.text})"


def _plain(name: str) -> str:
    return re.sub(r"[\s._-]+", "", name.lower())
