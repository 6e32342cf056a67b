"""How a reply is scored: pure functions from a reply and an answer to right or wrong.

These definitions travel with the suite, in its first line, for anyone who scores it elsewhere.
"""

import re

DEFINITIONS = {
    "exact": "the normalized reply equals the normalized answer",
    "contains": "the normalized answer occurs in the normalized reply as whole words",
    "number": "the last whole number in the reply, -?[0-9]+, equals the answer",
    "last_line_exact": "the normalized last line of the reply that is not blank equals the "
    "normalized answer",
    "normalized": "case-folded, runs of whitespace to one space, then spaces and . ! stripped "
    "from both ends",
}


def is_right(reply: str, answer: str, scorer: str) -> bool:
    """Score one reply. Raises KeyError for a scorer that is not in DEFINITIONS."""
    return _SCORERS[scorer](reply, answer)


def normalized(text: str) -> str:
    """Text as `exact` compares it."""
    return " ".join(text.casefold().split()).strip(" .!")


def _exact(reply: str, answer: str) -> bool:
    return normalized(reply) == normalized(answer)


def _contains(reply: str, answer: str) -> bool:
    words = rf"(?<!\w){re.escape(normalized(answer))}(?!\w)"
    return re.search(words, normalized(reply)) is not None


def _number(reply: str, answer: str) -> bool:
    numbers = re.findall(r"-?[0-9]+", reply)
    return bool(numbers) and int(numbers[-1]) == int(answer)


def _last_line_exact(reply: str, answer: str) -> bool:
    lines = [line for line in reply.splitlines() if line.strip()]
    return bool(lines) and _exact(lines[-1], answer)


_SCORERS = {
    "exact": _exact,
    "contains": _contains,
    "number": _number,
    "last_line_exact": _last_line_exact,
}
