"""Plain words → priority, constraints and budget: a closed grammar, no guessing.

A text is clauses, separated by commas, semicolons or "and". A clause names a priority, or holds
one metric, one comparison and one value in any order. What is not understood is an error that
names exactly those words; what is ambiguous is an error that explains the choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Comparison, Constraint, Priority
from paceline.spec.grammar import EXAMPLES, GRAMMAR, build_constraint
from paceline.spec.metrics import COSTS, METRICS, REQUEST_RATES, TIMES_S, TOKEN_RATES
from paceline.spec.tokens import MONEY, MONEY_PER_RUN, Piece, Value, cut
from paceline.spec.vocabulary import (
    IMAGES,
    LATENCY,
    LIMIT_OR_STATISTIC,
    PRIORITY_BY_METRIC_WORD,
    RELATIVE_UNITS,
    THROUGHPUT,
    WITHIN,
    Meaning,
    Role,
)
from paceline.units import Seconds, Usd

_IMAGE_STATISTIC: Final = "p50"
_EXAMPLE: Final = "optimize for latency, p95 ttft under 300 ms, min quality 0.9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What plain words said; `priority` is `None` when they named none."""

    priority: Priority | None
    constraints: tuple[Constraint, ...]
    budget: Budget


def budget_texts(budget: Budget) -> Iterator[str]:
    """`20m` and `$20`, as `--budget` takes them."""
    if budget.seconds is not None:
        minutes, rest = divmod(budget.seconds, 60)
        yield f"{budget.seconds:.12g}s" if rest else f"{minutes:.12g}m"
    if budget.usd is not None:
        yield f"${budget.usd:.12g}"


@dataclass(slots=True, kw_only=True)
class _Clause:
    """The pieces of one clause, sorted by what they do."""

    text: str
    metrics: list[str] = field(default_factory=list)
    statistics: list[str] = field(default_factory=list)
    comparisons: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    priorities: list[Priority] = field(default_factory=list)
    within: bool = False
    about_budget: bool = False
    for_the_run: bool = False


def parse_words(text: str) -> Understood:
    """What `text` asks for.

    Raises SpecError: `not-understood` for unknown words, an incomplete or an ambiguous clause;
    `contradiction` for two priorities; and whatever a constraint itself is refused for.
    """
    pieces = cut(text)
    _refuse_unknown(text, pieces)
    clauses = [_sorted(text, group) for group in _groups(pieces)]
    constraints: list[Constraint] = []
    budget = Budget()
    priorities: list[Priority] = []
    for clause in clauses:
        priorities += clause.priorities
        found = _meaning(clause)
        if isinstance(found, Constraint):
            constraints.append(found)
        elif isinstance(found, Budget):
            budget = _joined(budget, found, clause)
        elif found is not None:
            priorities.append(found)
    if not (constraints or priorities or budget != Budget()):
        raise _not_understood(repr(text), "it names no priority, no limit and no budget")
    return Understood(
        priority=_one_priority(priorities, text),
        constraints=tuple(dict.fromkeys(constraints)),
        budget=budget,
    )


def _refuse_unknown(text: str, pieces: Sequence[Piece]) -> None:
    stretches: list[tuple[int, int]] = []
    previous: Piece | None = None
    for piece in pieces:
        if piece.meaning is None:
            follows = previous is not None and previous.meaning is None
            start = stretches.pop()[0] if follows else piece.start
            stretches.append((start, piece.end))
        previous = piece
    if stretches:
        words = ", ".join(repr(text[start:end]) for start, end in stretches)
        raise _not_understood(words, "these words are not in the grammar; nothing is guessed")


def _not_understood(what: str, why: str) -> SpecError:
    return SpecError(
        Code.NOT_UNDERSTOOD,
        f"not understood: {what}",
        why=why,
        fix=f"say it like {_EXAMPLE!r}, or as {GRAMMAR}: {', '.join(map(repr, EXAMPLES))}",
    )


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    group: list[Piece] = []
    for piece in pieces:
        if isinstance(piece.meaning, Meaning) and piece.meaning.role is Role.BREAK:
            if group:
                yield group
            group = []
        else:
            group.append(piece)
    if group:
        yield group


def _sorted(text: str, group: Sequence[Piece]) -> _Clause:
    clause = _Clause(text=text[group[0].start : group[-1].end])
    for piece in group:
        if isinstance(piece.meaning, Value):
            clause.values.append(piece.meaning)
        elif piece.meaning is not None:
            _place(clause, piece.meaning, text[piece.start : piece.end].lower())
    _settle(clause)
    return clause


def _place(clause: _Clause, meaning: Meaning, written: str) -> None:
    match meaning.role:
        case Role.METRIC:
            clause.metrics.append(meaning.value)
        case Role.STATISTIC:
            clause.statistics.append(meaning.value)
        case Role.COMPARISON:
            clause.within = written == WITHIN
            clause.comparisons.append(written if written in LIMIT_OR_STATISTIC else meaning.value)
        case Role.PRIORITY:
            clause.priorities.append(Priority(meaning.value))
        case Role.BUDGET:
            clause.about_budget = True
        case Role.FOR_THE_RUN:
            clause.for_the_run = True
        case Role.FILLER | Role.BREAK:
            pass


def _settle(clause: _Clause) -> None:
    """Resolve what depends on the rest of the clause, and refuse what is there twice."""
    exact = [metric for metric in clause.metrics if metric not in (LATENCY, THROUGHPUT)]
    clause.metrics = list(dict.fromkeys(exact or clause.metrics))
    limits = [word for word in clause.comparisons if word in LIMIT_OR_STATISTIC]
    if (
        len(clause.comparisons) > len(limits) == 1
    ):  # `max ttft under 2 s`: the greatest, not a limit
        clause.comparisons.remove(limits[0])
        clause.statistics.append("max")
    clause.comparisons = [
        Comparison.AT_MOST.value if word in LIMIT_OR_STATISTIC else word
        for word in clause.comparisons
    ]
    for kind, found in (
        ("metrics", clause.metrics),
        ("statistics", clause.statistics),
        ("comparisons", clause.comparisons),
        ("values", [f"{value.number:g}{value.unit}" for value in clause.values]),
    ):
        if len(found) > 1:
            raise _not_understood(
                repr(clause.text),
                f"it has {len(found)} {kind} ({', '.join(found)}); one per clause",
            )


def _meaning(clause: _Clause) -> Constraint | Budget | Priority | None:
    if not clause.values:
        return _bare(clause)
    value = clause.values[0]
    if value.unit in MONEY_PER_RUN or (value.unit == MONEY and clause.for_the_run):
        return Budget(usd=Usd(_run_limit(clause, value)))
    if clause.about_budget and value.unit in TIMES_S and not clause.metrics:
        return Budget(seconds=Seconds(_run_limit(clause, value) * TIMES_S[value.unit].factor))
    if value.unit == MONEY:
        raise _unclear_money(clause)
    if clause.about_budget and value.unit not in COSTS:
        raise _incomplete(clause, "a budget is dollars per something, or a time for the run")
    return _constraint(clause, value)


def _bare(clause: _Clause) -> Priority | None:
    """A clause without a number: a priority, nothing but fillers, or something unfinished."""
    if LATENCY in clause.metrics and (clause.comparisons or clause.statistics):
        raise _unclear_latency(clause)
    limits = clause.comparisons or clause.statistics or clause.about_budget or clause.for_the_run
    if not limits and not clause.metrics:
        return None
    named = PRIORITY_BY_METRIC_WORD.get(clause.metrics[0]) if clause.metrics else None
    if named is not None and not limits and not clause.priorities:
        return named
    raise _incomplete(clause, "it has no number to compare with")


def _run_limit(clause: _Clause, value: Value) -> float:
    if clause.comparisons and not Comparison(clause.comparisons[0]).wants_less:
        raise _incomplete(clause, "a budget is a greatest value, not a least one")
    if value.number <= 0:
        raise _incomplete(clause, f"a budget must be above 0, not {value.number:g}")
    return value.number


def _constraint(clause: _Clause, value: Value) -> Constraint:
    metric = _metric(clause, value)
    if clause.comparisons:
        comparison = Comparison(clause.comparisons[0])
    elif clause.about_budget:
        comparison = Comparison.AT_MOST
    else:
        raise _incomplete(clause, "it does not say whether the number is a most or a least")
    factor = RELATIVE_UNITS.get(value.unit)
    if factor is not None and clause.within:
        raise _incomplete(clause, "say the limit itself: 'at least 98% of baseline', for example")
    return build_constraint(
        metric=metric,
        statistic=_statistic(clause),
        comparison=comparison,
        number=value.number if factor is None else value.number * factor,
        unit=value.unit if factor is None else "x",
        source=clause.text,
    )


def _statistic(clause: _Clause) -> str | None:
    if clause.statistics:
        return clause.statistics[0]
    return _IMAGE_STATISTIC if clause.metrics == [IMAGES] else None


def _metric(clause: _Clause, value: Value) -> str:
    """The metric that is named, or the only one that its unit allows."""
    named = clause.metrics[0] if clause.metrics else None
    if named == LATENCY:
        raise _unclear_latency(clause)
    if named == IMAGES:
        return "e2e"
    if named is not None and named != THROUGHPUT:
        return named
    if value.unit in TOKEN_RATES or (named == THROUGHPUT and value.unit in RELATIVE_UNITS):
        return "output_tokens_per_s"
    if value.unit in REQUEST_RATES:
        return "requests_per_s"
    if named == THROUGHPUT:
        raise _incomplete(clause, "throughput is in tokens/s or in requests/s")
    if value.unit in COSTS:
        return "cost"
    if value.unit in TIMES_S:
        raise _unclear_latency(clause)
    fitting = [name for name, spec in METRICS.items() if value.unit in spec.units]
    raise _incomplete(
        clause,
        f"it does not say of what; {value.unit or 'a bare number'} fits {', '.join(fitting)}",
    )


def _unclear_latency(clause: _Clause) -> SpecError:
    return SpecError(
        Code.NOT_UNDERSTOOD,
        f"which latency is meant in {clause.text!r}?",
        why="ttft is the time to the first token, e2e to the last one, tpot the time between "
        "tokens; and each needs a statistic: mean, p50, p90, p95, p99 or max",
        fix="write for example 'p95 ttft under 300 ms' or 'p95 e2e under 5 s'",
    )


def _unclear_money(clause: _Clause) -> SpecError:
    return SpecError(
        Code.NOT_UNDERSTOOD,
        f"dollars for what in {clause.text!r}?",
        why="money can be a cost per month, per million tokens, per request, per image, or what "
        "this run itself may spend",
        fix="write for example '$500/month', '$0.40 per million tokens' or '$20 for the run'",
    )


def _incomplete(clause: _Clause, why: str) -> SpecError:
    return _not_understood(repr(clause.text), why)


def _joined(one: Budget, other: Budget, clause: _Clause) -> Budget:
    if (one.seconds is not None and other.seconds is not None) or (
        one.usd is not None and other.usd is not None
    ):
        had = one.seconds if other.seconds is not None else one.usd
        now = other.seconds if other.seconds is not None else other.usd
        raise _incomplete(clause, f"the budget is given twice: {had:g} and {now:g}")
    return Budget(seconds=one.seconds or other.seconds, usd=one.usd or other.usd)


def _one_priority(priorities: Sequence[Priority], text: str) -> Priority | None:
    distinct = list(dict.fromkeys(priorities))
    if len(distinct) > 1:
        names = " and ".join(distinct)
        raise SpecError(
            Code.CONTRADICTION,
            f"two priorities in {text!r}: {names}",
            why="one priority orders the variants; the rest can be constraints",
            fix=f"keep {distinct[0].value!r} and give a limit for the other, or write 'balanced'",
        )
    return distinct[0] if distinct else None
