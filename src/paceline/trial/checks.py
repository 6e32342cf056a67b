"""Properties that an instruction asks of a reply: length, format, language, forbidden words.

Each is a pure function of the text and one `Check`. What a word, a sentence and a line is, is said
here and in `docs/reference/suites.md`, because instructions are ambiguous and scores must not be.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from paceline.records.quality import Check, CheckName

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"[.!?]+(?=\s|$|[\"')])")
_BULLET: Final = re.compile(r"^\s*[-*•]\s+\S")
_NUMBERED: Final = re.compile(r"^\s*\d+[.)]\s+\S")
# Frequent function words; a reply of a sentence or two always holds several of its own language's
# and few of another's.
_FUNCTION_WORDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(listed.split())
    for name, listed in {
        "en": "the of and to is was that it with for are this be from by has have in",
        "es": "el los las y que una del con por para es está muy son al como pero en",
        "fr": "le les des et est une dans du pour qui sur avec au ce elle il sont en",
        "de": "der die das und ist ein eine nicht mit von den zu auf für im sich dem",
        "it": "il gli di che è una della per sono con nel non anche dei alla più lo",
    }.items()
}


def holds(check: Check, text: str) -> bool:
    """Whether the text has the property."""
    return CHECKS[check.name](check, text)


def words(text: str) -> list[str]:
    """Runs of letters and digits; an apostrophe or hyphen inside joins."""
    return _WORD.findall(text)


def lines(text: str) -> list[str]:
    """Lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def sentences(text: str) -> int:
    """Ends of sentences: `.`, `!` or `?` before a space, a closing mark or the end."""
    return len(_SENTENCE_END.findall(text.strip()))


def language(text: str) -> str | None:
    """`en`, `es`, `fr`, `de` or `it`, by function words; `None` when two are level."""
    said = [word.casefold() for word in words(text)]
    found = {name: sum(word in known for word in said) for name, known in _FUNCTION_WORDS.items()}
    best = sorted(found, key=lambda name: found[name], reverse=True)
    return best[0] if found[best[0]] > found[best[1]] else None


def _within(check: Check, count: int) -> bool:
    above = check.least is None or count >= check.least
    return above and (check.most is None or count <= check.most)


def _cased(text: str) -> str:
    return "".join(letter for letter in text if letter.isalpha())


def _bullets(text: str) -> int:
    return sum(_BULLET.match(line) is not None for line in lines(text))


def _numbered(text: str) -> int:
    return sum(_NUMBERED.match(line) is not None for line in lines(text))


def _occurrences(word: str, text: str) -> int:
    pattern = rf"(?<!\w){re.escape(word.casefold())}(?!\w)"
    return len(re.findall(pattern, text.casefold()))


def _split_by(check: Check, text: str) -> int:
    return len([part for part in text.strip(" .\n").split(check.text) if part.strip()])


CHECKS: Final[Mapping[CheckName, Callable[[Check, str], bool]]] = {
    CheckName.WORDS: lambda check, text: _within(check, len(words(text))),
    CheckName.SENTENCES: lambda check, text: _within(check, sentences(text)),
    CheckName.LINES: lambda check, text: _within(check, len(lines(text))),
    CheckName.CHARACTERS: lambda check, text: _within(check, len(text.strip())),
    CheckName.BULLETS: lambda check, text: _within(check, _bullets(text)),
    CheckName.NUMBERED: lambda check, text: _within(check, _numbered(text)),
    CheckName.PARTS: lambda check, text: _within(check, _split_by(check, text)),
    CheckName.WORD_TIMES: lambda check, text: _within(check, _occurrences(check.text, text)),
    CheckName.HAS: lambda check, text: _occurrences(check.text, text) > 0,
    CheckName.LACKS: lambda check, text: _occurrences(check.text, text) == 0,
    CheckName.LACKS_TEXT: lambda check, text: check.text.casefold() not in text.casefold(),
    CheckName.STARTS: lambda check, text: text.strip().casefold().startswith(check.text.casefold()),
    CheckName.ENDS: lambda check, text: text.strip().casefold().endswith(check.text.casefold()),
    CheckName.MATCHES: lambda check, text: re.fullmatch(check.text, text.strip()) is not None,
    CheckName.LOWER: lambda _check, text: _cased(text) == _cased(text).lower() != "",
    CheckName.UPPER: lambda _check, text: _cased(text) == _cased(text).upper() != "",
    CheckName.LANGUAGE: lambda check, text: language(text) == check.text,
}
