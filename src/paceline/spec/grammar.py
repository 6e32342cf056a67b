"""The formal constraint grammar: `METRIC [STATISTIC] OP VALUE[UNIT]` → Constraint.

Covers one constraint at a time; whether several fit together is `contradiction`, and plain words
are `words`.
"""

import math
import re
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Comparison, Constraint
from paceline.spec.metrics import METRICS, TIMES_S, MetricSpec
from paceline.spec.names import unknown_name
from paceline.units import Seconds, Usd

GRAMMAR: Final = "METRIC [STATISTIC] OP VALUE[UNIT]"
EXAMPLES: Final = ("ttft p95 <= 200ms", "quality >= 0.97x", "cost <= 0.4 usd/mtok")
DIGITS_KEPT: Final = 12  # of a limit: what Constraint.text prints, so that texts read back equal

_NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_CONSTRAINT: Final = re.compile(
    rf"\s*(?P<metric>[a-z_][\w]*(?:\s*\(\s*\w+\s*\))?)\s*(?P<statistic>[^\s<>=≤≥]+)?\s*"
    rf"(?P<operator><=|>=|≤|≥|<|>)\s*(?P<money>\$?)(?P<number>{_NUMBER})\s*(?P<unit>.*?)\s*",
    re.IGNORECASE,
)
_BUDGET_PART: Final = re.compile(
    rf"(?P<money>\$)?\s*(?P<number>{_NUMBER})\s*(?P<unit>[a-z]*)", re.IGNORECASE
)
_ASCII_OPERATORS: Final = {"≤": "<=", "≥": ">="}


def parse_constraint(text: str) -> Constraint:
    """One constraint in the formal grammar, e.g. `ttft p95 <= 200ms`.

    Raises SpecError: `bad-constraint` for a shape or limit that makes no sense, `unknown-name`
    for a metric, statistic or unit that does not exist.
    """
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise SpecError(
            Code.BAD_CONSTRAINT,
            f"cannot read the constraint {text!r}",
            why=f"a constraint is {GRAMMAR} with one of the operators <= < >= >",
            fix=f"write it like {EXAMPLES[0]!r} or {EXAMPLES[1]!r}",
        )
    operator = match["operator"]
    return build_constraint(
        metric="".join(match["metric"].lower().split()),
        statistic=match["statistic"],
        comparison=Comparison(_ASCII_OPERATORS.get(operator, operator)),
        number=float(match["number"]),
        unit=spelled_unit(("usd" if match["money"] else "") + match["unit"]),
        source=text,
    )


def spelled_unit(text: str) -> str:
    """A written unit as the metric tables key it: `USD per  request` → `usd/request`."""
    words = re.sub(r"\s+per\s+", "/", " ".join(text.lower().split()))
    return re.sub(r"\s*/\s*", "/", words)


def build_constraint(
    *,
    metric: str,
    statistic: str | None,
    comparison: Comparison,
    number: float,
    unit: str,
    source: str,
) -> Constraint:
    """A checked constraint from its parts; `source` is what the user wrote, for messages.

    `unit` is spelled as in the metric tables, `x` for a factor of the baseline. Raises SpecError.
    """
    spec = METRICS.get(metric)
    if spec is None:
        raise unknown_name("metric", metric, METRICS, where=source)
    named = _checked_statistic(spec, statistic, source)
    limit, base = _in_base_unit(spec, number, unit, source)
    relative = unit == "x"
    if not math.isfinite(limit):
        raise _senseless(source, f"the limit is {limit:g}{base}; no measurement reaches it")
    if not relative:
        _check_limit(spec, comparison, limit, base, source)
    elif limit <= 0:
        raise _senseless(source, f"the factor is {limit:g}x; it must be above 0x")
    return Constraint(
        metric=metric,
        statistic=named,
        comparison=comparison,
        limit=float(f"{limit:.{DIGITS_KEPT}g}"),
        unit=base,
        relative=relative,
    )


def _checked_statistic(spec: MetricSpec, statistic: str | None, source: str) -> str | None:
    if not spec.statistics:
        if statistic is None:
            return None
        raise SpecError(
            Code.BAD_CONSTRAINT,
            f"{statistic!r} does not belong in {source!r}",
            why=f"{spec.name} has one reading per trial, so it takes no statistic",
            fix=f"write `{spec.name} {_usual_operator(spec)} …` without {statistic!r}",
        )
    if statistic is None:
        raise SpecError(
            Code.BAD_CONSTRAINT,
            f"{source!r} does not say which statistic of {spec.name}",
            why=f"{spec.name} has a reading per request: {', '.join(spec.statistics)}",
            fix=f"write `{spec.name} p95 {_usual_operator(spec)} …`, or another of them",
        )
    if statistic.lower() not in spec.statistics:
        raise unknown_name("statistic", statistic, spec.statistics, where=source)
    return statistic.lower()


def _usual_operator(spec: MetricSpec) -> str:
    return "<=" if spec.less_is_better else ">="


def _in_base_unit(spec: MetricSpec, number: float, unit: str, source: str) -> tuple[float, str]:
    """The limit and its base unit; a relative limit stays a factor."""
    if unit == "x":
        if not spec.relative:
            raise SpecError(
                Code.BAD_CONSTRAINT,
                f"{source!r} compares {spec.name} with the baseline",
                why=f"{spec.name} of the baseline can be 0, so a factor of it decides nothing",
                fix=f"give the limit itself, in {', '.join(u for u in spec.shown_units if u)}",
            )
        return number, spec.base_unit
    if not unit and spec.unit_free:
        return number, spec.base_unit
    known = spec.units.get(unit)
    if known is not None:
        return number * known.factor, known.base
    choices = [*(u for u in spec.shown_units if u), *(["x"] if spec.relative else [])]
    if unit:
        raise unknown_name(f"unit of {spec.name}", unit, choices, where=source)
    raise SpecError(
        Code.BAD_CONSTRAINT,
        f"{source!r} does not say the unit of {number:g}",
        why=f"{spec.name} can be given in {', '.join(choices)}",
        fix=f"write `{number:g}{' ' if '/' in choices[0] else ''}{choices[0]}`",
    )


def _check_limit(
    spec: MetricSpec, comparison: Comparison, limit: float, base: str, source: str
) -> None:
    if limit < 0 or (limit == 0 and not spec.zero_makes_sense):
        least = "at least 0" if spec.zero_makes_sense else "above 0"
        raise _senseless(source, f"the limit is {limit:g}{base}; it must be {least}{base}")
    if limit == 0 and comparison is Comparison.BELOW:
        raise _senseless(source, f"nothing is below 0{base}")
    ceiling = (spec.ceilings or {}).get(base)
    if ceiling is None:
        return
    if limit > ceiling:
        raise _senseless(
            source, f"the limit is {limit:g}{base}; {spec.name} is at most {ceiling:g}{base}"
        )
    if limit == ceiling and comparison is Comparison.ABOVE:
        raise _senseless(source, f"{spec.name} is at most {ceiling:g}{base}, never above it")


def _senseless(source: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_CONSTRAINT,
        f"the limit in {source!r} makes no sense",
        why=why,
        fix="give a limit that a measurement can meet and can miss",
    )


def parse_budget(text: str) -> Budget:
    """`10m`, `$20`, or both as `10m|$20` (a comma does as well).

    Raises SpecError (`bad-option`) for anything else.
    """
    seconds: float | None = None
    usd: float | None = None
    for part in re.split(r"[|,]", text):
        match = _BUDGET_PART.fullmatch(part.strip())
        if match is None:
            raise _bad_budget(text, f"{part.strip()!r} is neither")
        number, unit = float(match["number"]), match["unit"].lower()
        if number <= 0:
            raise _bad_budget(text, f"{part.strip()!r} is not above 0")
        if not math.isfinite(number):
            raise _bad_budget(text, f"{part.strip()!r} is without end: leave it out for that")
        if unit in TIMES_S and not match["money"] and seconds is None:
            seconds = number * TIMES_S[unit].factor
        elif (match["money"] and not unit) or (unit == "usd" and not match["money"]):
            if usd is not None:
                raise _bad_budget(text, "money is given twice")
            usd = number
        else:
            raise _bad_budget(text, f"{part.strip()!r} is neither, or is given twice")
    return Budget(
        seconds=None if seconds is None else Seconds(seconds),
        usd=None if usd is None else Usd(usd),
    )


def _bad_budget(text: str, detail: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"cannot read the budget {text!r}",
        why=f"a budget is a time with its unit or dollars for the run; {detail}",
        fix="write `10m`, `$20` or `10m|$20`",
    )
