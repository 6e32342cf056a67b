"""Plain words cut into pieces: numbers with their units, known phrases, and what is unknown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paceline.spec.grammar import spelled_unit
from paceline.spec.metrics import METRICS
from paceline.spec.vocabulary import (
    LONGEST_PHRASE,
    NUMBER_WORDS,
    PHRASES,
    RELATIVE_UNITS,
    Meaning,
    Role,
)

MONEY: Final = "usd"
MONEY_PER_RUN: Final = ("usd/run", "usd a run")
_LONGEST_UNIT: Final = 4
_UNITS: Final = frozenset(
    {unit for spec in METRICS.values() for unit in spec.units if unit}
    | {MONEY, *MONEY_PER_RUN, *RELATIVE_UNITS}
)
_TOKEN: Final = re.compile(
    r"""(?P<ordinal>\d+(?:st|nd|rd|th)\b)
      | (?P<number>(?<![\w.])[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)
                   (?:e[+-]?\d+)?)
      | (?P<word>[^\W\d]\w*(?:\(\w+\))?(?:'s)?)
      | (?P<sign><=|>=|[^\w\s])""",
    re.IGNORECASE | re.VERBOSE,
)
_PERCENTILE: Final = re.compile(r"p\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number and its unit as the metric tables spell it, `""` when it has none."""

    number: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of the text and what it means; `None` when nothing is known of it."""

    start: int
    end: int
    meaning: Meaning | Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    kind: str
    start: int
    end: int


def cut(text: str) -> list[Piece]:
    """The text as pieces in order; hyphens between words count as spaces."""
    tokens = _tokens(text)
    pieces: list[Piece] = []
    at = 0
    while at < len(tokens):
        meaning, length = _value(tokens, at) or _statistic(tokens, at) or _phrase(tokens, at)
        last = tokens[at + length - 1]
        pieces.append(Piece(start=tokens[at].start, end=last.end, meaning=meaning))
        at += length
    return pieces


def _tokens(text: str) -> list[_Token]:
    joined = re.sub(r"(?<=[^\W\d])-(?=[^\W\d])|(?<=e2e)-(?=\w)", " ", text, flags=re.IGNORECASE)
    return [
        _Token(
            text=match[0].lower(),
            kind=match.lastgroup or "",
            start=match.start(),
            end=match.end(),
        )
        for match in _TOKEN.finditer(joined)
    ]


def _value(tokens: Sequence[_Token], at: int) -> tuple[Value, int] | None:
    money = tokens[at].text == "$" and at + 1 < len(tokens)
    first = at + money
    token = tokens[first]
    if token.kind == "number":
        unit, length = _unit(tokens, first + 1, money=money)
        return Value(number=float(token.text.replace(",", "")), unit=unit), money + 1 + length
    if token.text in NUMBER_WORDS and not money:
        unit, length = _unit(tokens, first + 1, money=False)
        if length:
            return Value(number=NUMBER_WORDS[token.text], unit=unit), 1 + length
    return None


def _unit(tokens: Sequence[_Token], at: int, *, money: bool) -> tuple[str, int]:
    """The longest unit that follows a number, and how many tokens it takes."""
    for length in range(min(_LONGEST_UNIT, len(tokens) - at), 0, -1):
        words = [token.text for token in tokens[at : at + length]]
        spelled = _spelled(words, money=money)
        if spelled in _UNITS:
            return spelled, length
    return (MONEY if money else ""), 0


def _spelled(words: Sequence[str], *, money: bool) -> str:
    singular = [MONEY if word in ("dollar", "dollars") else word for word in words]
    text = spelled_unit(" ".join([MONEY, *singular] if money else singular))
    return text.replace("usd a ", "usd/").removeprefix("output ")


def _statistic(tokens: Sequence[_Token], at: int) -> tuple[Meaning, int] | None:
    token = tokens[at]
    if _PERCENTILE.fullmatch(token.text):
        return Meaning(role=Role.STATISTIC, value=token.text), 1
    if token.kind == "ordinal" and at + 1 < len(tokens) and tokens[at + 1].text == "percentile":
        return Meaning(role=Role.STATISTIC, value=f"p{token.text[:-2]}"), 2
    return None


def _phrase(tokens: Sequence[_Token], at: int) -> tuple[Meaning | None, int]:
    for length in range(min(LONGEST_PHRASE, len(tokens) - at), 0, -1):
        meaning = PHRASES.get(tuple(token.text for token in tokens[at : at + length]))
        if meaning is not None:
            return meaning, length
    return None, 1
