"""One item of a suite: its text form, and what makes it one that can be asked and marked."""

import json
import math
import re
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

from paceline.adapters.quality.suites.schemas import why_unusable
from paceline.records.image import MOST_SEED
from paceline.records.quality import Check, CheckName, Item, Message, Scorer, Split

OWN_CATEGORY: Final = "own"
FIDELITY: Final = "fidelity"
CONTENT: Final = "content"
DEFAULT_MAX_TOKENS: Final = 256


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _MessageText(_Strict):
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str | None


class _CheckText(_Strict):
    check: CheckName
    text: str = ""
    least: int | None = None
    most: int | None = None


class ItemText(_Strict):
    """One line. `prompt` is short for a single user message; the scorer may be left out."""

    id: str = Field(min_length=1)
    category: str = Field(default=OWN_CATEGORY, min_length=1)
    messages: list[_MessageText] | None = None
    prompt: str | None = None
    scorer: Scorer | None = None
    answer: JsonValue = None
    also: list[str] = []
    regex: str | None = None
    python: str | None = None
    choices: list[str] = []
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    checks: list[_CheckText] = []
    tolerance: FiniteFloat = Field(default=0.0, ge=0.0)
    max_tokens: int = Field(default=DEFAULT_MAX_TOKENS, ge=1, le=32_768)
    weight: FiniteFloat = Field(default=1.0, gt=0.0)
    split: Split = Split.MAIN
    seed: int | None = Field(default=None, ge=0, le=MOST_SEED)
    shows: str | None = None


class Unusable(ValueError):
    """Why one item cannot be asked or marked."""


def items_from(text: ItemText) -> tuple[Item, ...]:
    """The item that the text describes; two for a picture that must show something. Raises
    Unusable.
    """
    item = _record(text)
    _require_sendable(item)
    _require_markable(item)
    if item.scorer is not Scorer.PICTURE:
        return (item,)
    if "category" not in text.model_fields_set:
        item = replace(item, category=FIDELITY)
    if not item.answer:
        return (item,)
    content = replace(
        item, item_id=f"{item.item_id}/{CONTENT}", category=CONTENT, scorer=Scorer.SHOWS
    )
    return (item, content)


def _record(text: ItemText) -> Item:
    return Item(
        item_id=text.id,
        category=text.category,
        messages=_messages(text),
        scorer=_scorer(text),
        answer=_answer(text),
        max_tokens=text.max_tokens,
        weight=text.weight,
        also=tuple(text.also),
        tolerance=text.tolerance,
        choices=tuple(text.choices),
        schema=None if text.schema_ is None else json.dumps(text.schema_),
        checks=tuple(
            Check(name=one.check, text=one.text, least=one.least, most=one.most)
            for one in text.checks
        ),
        split=text.split,
        seed=text.seed,
    )


def _messages(text: ItemText) -> tuple[Message, ...]:
    if (text.prompt is None) == (text.messages is None):
        raise Unusable("give either `prompt` or `messages`")
    if text.prompt is not None:
        return (Message(role="user", content=text.prompt),)
    found = tuple(Message(role=one.role, content=one.content) for one in text.messages or ())
    if not found or found[-1].role != "user":
        raise Unusable("the last message must be the user's")
    if any(one.content is None and one.role != "assistant" for one in found):
        raise Unusable("only an assistant message may leave its content open")
    return found


def _require_sendable(item: Item) -> None:
    """Raises Unusable for text that cannot be written in UTF-8."""
    asked = "".join(message.content or "" for message in item.messages)
    half = next((letter for letter in asked if "\ud800" <= letter <= "\udfff"), None)
    _require(half is None, f"the text holds half a character, {half!r}")


def _scorer(text: ItemText) -> Scorer:
    """The scorer named, or the one that the given fields call for."""
    if text.scorer is not None:
        return text.scorer
    fields = (
        (Scorer.REGEX, text.regex),
        (Scorer.PYTHON, text.python),
        (Scorer.SCHEMA, text.schema_),
        (Scorer.CHOICE, text.choices),
        (Scorer.CHECKS, text.checks),
        (Scorer.PICTURE, text.seed is not None),
    )
    return next((scorer for scorer, given in fields if given), Scorer.FINAL)


def _answer(text: ItemText) -> str:
    given = text.regex or text.python or text.shows or text.answer
    if given is None:
        return ""
    if text.choices and isinstance(given, str) and given in text.choices:
        return chr(ord("A") + text.choices.index(given))
    return given if isinstance(given, str) else json.dumps(given)


def _require_markable(item: Item) -> None:
    """Raises Unusable for an item that its scorer could never mark."""
    match item.scorer:
        case Scorer.CHECKS:
            _require(bool(item.checks), "the scorer `checks` needs `checks`")
        case Scorer.SAME:
            open_turns = [one for one in item.messages if one.content is None]
            _require(bool(open_turns), "the scorer `same` needs an earlier reply of the model")
        case Scorer.SCHEMA:
            _require_schema(item)
        case Scorer.CHOICE:
            labels = [chr(ord("A") + place) for place in range(len(item.choices))]
            _require(item.answer in labels, f"answer {item.answer!r} is none of {labels}")
        case Scorer.PYTHON:
            _require(item.answer.isidentifier(), f"{item.answer!r} is no function name")
        case Scorer.PICTURE:
            _require(item.seed is not None, "a picture needs a `seed`")
        case Scorer.SHOWS:
            raise Unusable("what a picture must show is said by `shows`, beside its `seed`")
        case _:
            _require(item.answer != "", "there is no answer")
            _require_parsable(item)


def _require_parsable(item: Item) -> None:
    """Raises Unusable when an answer is not of the kind its scorer compares."""
    for answer in (item.answer, *item.also):
        try:
            match item.scorer:
                case Scorer.NUMBER:
                    if not math.isfinite(float(answer)):
                        raise ValueError("it is not finite")  # noqa: TRY301 - as float() raises
                case Scorer.JSON:
                    json.loads(answer)
                case Scorer.REGEX:
                    re.compile(answer)
        except (ValueError, re.error, OverflowError, RecursionError) as error:
            raise Unusable(f"the answer {answer!r} is no {item.scorer}: {error}") from error


def _require_schema(item: Item) -> None:
    _require(item.schema is not None, "the scorer `schema` needs a `schema`")
    wrong = why_unusable(json.loads(item.schema or "{}"))
    _require(wrong is None, f"the schema cannot be used: {wrong}")
    try:
        wanted = json.loads(item.answer) if item.answer else {}
    except ValueError as error:
        raise Unusable(f"the answer beside the schema is no JSON: {error}") from error
    _require(isinstance(wanted, dict), "the answer beside a schema must be an object")


def _require(holds: bool, because: str) -> None:
    if not holds:
        raise Unusable(because)
