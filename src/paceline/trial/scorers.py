"""How one reply is marked: pure functions from a reply and an item to a score of 0 or 1.

The rules are stable: a stored reply must get the same score years later. `docs/reference/suites.md`
says them in words. Items with the `python` scorer are not marked here (see `ProgramScorer`).
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

import jsonschema
import jsonschema.validators
from jsonschema_specifications import (  # type: ignore[import-untyped]  # comes with jsonschema
    REGISTRY,
)

from paceline.records.quality import Item, Reply, Scorer
from paceline.records.serial import Json
from paceline.trial.checks import holds

_THINKING: Final = re.compile(r"^.*</think>", re.DOTALL)
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])-?\d*\.?\d+|\d+")
# "B", "b)", "(B)", "B: dog", "B because …"; but not "A dog" or "I think", which open sentences.
_LETTER: Final = re.compile(r"\(?([A-Za-z])(?:[).:]|$)|([B-HJ-Z])\s")
_ANSWER: Final = re.compile(r"answer(?:\s+is)?\s*:?\s*", re.IGNORECASE)
_ROUNDING: Final = 1e-9  # 2.6 - 2.5 > 0.1 in binary
_FENCE: Final = re.compile(r"```[\w-]*\n?(.*?)```", re.DOTALL)
_ARTICLE: Final = re.compile(r"^(?:the|an|a)\s+")


def is_right(item: Item, reply: Reply) -> bool:
    """Mark one reply. Raises KeyError for an item whose scorer is not marked here."""
    shown = Reply(
        text=visible(reply.text),
        earlier=tuple(visible(text) for text in reply.earlier),
        finish_reason=reply.finish_reason,
    )
    return _SCORERS[item.scorer](item, shown)


def visible(text: str) -> str:
    """A reply without the reasoning that a thinking model writes before its answer."""
    return _THINKING.sub("", text, count=1).strip()


def normalized(text: str) -> str:
    """Case-folded, whitespace runs to one space, then spaces and `.!` stripped from both ends."""
    return " ".join(text.casefold().split()).strip(" .!")


def final_answer(text: str) -> str:
    """What follows the last `Answer:`, else the last line that is not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    for line in reversed(lines):
        found = list(_ANSWER.finditer(line))
        if found and line[found[-1].end() :].strip(" *_`"):
            return line[found[-1].end() :]
    return lines[-1]


def plain(text: str) -> str:
    """`normalized`, and without emphasis marks, quotes and a leading article."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    text = normalized(re.sub(r"[*_`\"\u201c\u201d]", "", text)).strip(" .!,;:'")
    return _ARTICLE.sub("", text)


def last_number(text: str) -> float | None:
    """The last number in the text, thousands separators allowed; `None` when there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def json_value(text: str) -> Json:
    """The JSON value that the text is, or that its only code fence holds.

    Raises ValueError when there is none: JSON amid prose is not what was asked for.
    """
    fenced = _FENCE.findall(text)
    body = fenced[0] if len(fenced) == 1 else text
    value: Json = json.loads(body, parse_constant=_refuse_constant)
    return value


def same_json(left: object, right: object, tolerance: float) -> bool:
    """Equal values: numbers within `tolerance`, strings as `normalized`, lists in order."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=0.0, abs_tol=tolerance + _ROUNDING)
    if isinstance(left, str) and isinstance(right, str):
        return normalized(left) == normalized(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same_json(one, other, tolerance) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same_json(value, right[key], tolerance) for key, value in left.items()
        )
    return left is None and right is None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _right_answers(item: Item) -> tuple[str, ...]:
    return (item.answer, *item.also)


def _exact(item: Item, reply: Reply) -> bool:
    return normalized(reply.text) in {normalized(answer) for answer in _right_answers(item)}


def _last_line_exact(item: Item, reply: Reply) -> bool:
    lines = [line for line in reply.text.splitlines() if line.strip()]
    right = {normalized(answer) for answer in _right_answers(item)}
    return bool(lines) and normalized(lines[-1]) in right


def _contains(item: Item, reply: Reply) -> bool:
    said = normalized(reply.text)
    return any(_has_words(said, normalized(answer)) for answer in _right_answers(item))


def _has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _final(item: Item, reply: Reply) -> bool:
    return plain(final_answer(reply.text)) in {plain(answer) for answer in _right_answers(item)}


def _number(item: Item, reply: Reply) -> bool:
    said = last_number(final_answer(reply.text))
    if said is None:
        said = last_number(reply.text)
    return said is not None and any(
        math.isclose(said, float(answer), rel_tol=0.0, abs_tol=item.tolerance + _ROUNDING)
        for answer in _right_answers(item)
    )


def _choice(item: Item, reply: Reply) -> bool:
    """The letter that opens the final answer, or the one choice whose words it holds."""
    said = final_answer(reply.text).strip(' *_`"')
    letter = _LETTER.match(said)
    labels = [chr(ord("A") + place) for place in range(len(item.choices))]
    label = (letter[1] or letter[2]).upper() if letter else None
    if label in labels:
        return label == item.answer
    named = [
        other
        for other, choice in zip(labels, item.choices, strict=True)
        if _has_words(plain(said), plain(choice))
    ]
    return named == [item.answer]


def _regex(item: Item, reply: Reply) -> bool:
    return re.search(item.answer, reply.text) is not None


def _json(item: Item, reply: Reply) -> bool:
    try:
        said = json_value(reply.text)
    except (ValueError, RecursionError):
        return False
    right = (json.loads(answer) for answer in _right_answers(item))
    return any(same_json(said, answer, item.tolerance) for answer in right)


def _schema(item: Item, reply: Reply) -> bool:
    """Valid against the schema, and equal to `answer` in the keys that `answer` names."""
    try:
        said = json_value(reply.text)
    except (ValueError, RecursionError):
        return False
    schema = json.loads(item.schema or "{}")
    # With this registry nothing is fetched: a suite may come with a stranger's receipt.
    validator = jsonschema.validators.validator_for(schema)(schema, registry=REGISTRY)
    try:
        if not validator.is_valid(said):
            return False
    except RecursionError:  # a reply nested hundreds deep
        return False
    wanted = json.loads(item.answer) if item.answer else {}
    return isinstance(said, dict | list) and all(
        isinstance(said, dict) and key in said and same_json(said[key], value, item.tolerance)
        for key, value in wanted.items()
    )


def _checks(item: Item, reply: Reply) -> bool:
    return bool(reply.text) and all(holds(check, reply.text) for check in item.checks)


def _same(item: Item, reply: Reply) -> bool:
    """The last reply agrees with the model's own first one, which must be one of the choices."""
    if not reply.earlier:
        return False
    first, last = plain(final_answer(reply.earlier[0])), plain(final_answer(reply.text))
    allowed = {plain(choice) for choice in item.choices} or {first} - {""}
    return first in allowed and first == last


_SCORERS: Final[Mapping[Scorer, Callable[[Item, Reply], bool]]] = {
    Scorer.EXACT: _exact,
    Scorer.LAST_LINE_EXACT: _last_line_exact,
    Scorer.CONTAINS: _contains,
    Scorer.FINAL: _final,
    Scorer.NUMBER: _number,
    Scorer.CHOICE: _choice,
    Scorer.REGEX: _regex,
    Scorer.SCHEMA: _schema,
    Scorer.JSON: _json,
    Scorer.CHECKS: _checks,
    Scorer.SAME: _same,
}
