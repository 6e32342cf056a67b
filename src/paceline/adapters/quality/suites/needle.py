"""Long context: one code, or three, hidden in text of the workload's length.

`needle:8000` has prompts of about 8000 tokens, `needle:8000:3` three times as many items. The text
around the codes is made of seeded sentences that never repeat, so that nothing stands out but the
codes. Same name, same suite.
"""

import json
import random
from itertools import product
from pathlib import Path
from typing import Any, Final

from paceline.adapters.quality.suites.read import hash_of, parse_jsonl
from paceline.errors import Code, SpecError
from paceline.records.quality import Suite

NEEDLE: Final = "needle:"
LENGTHS: Final = (256, 1_000_000)
MOST_TIMES: Final = 20
DEPTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
PER_DEPTH: Final = 4
SEVERAL: Final = 12
VERSION: Final = "1"
TOKENS_PER_WORD: Final = 1.35  # English prose under byte-pair vocabularies of 32k to 150k entries

_WHO = ("baker", "captain", "gardener", "teacher", "pilot", "tailor", "miller", "painter")
_HOW = ("slowly", "gladly", "quietly", "often", "rarely", "carefully", "proudly", "early")
_DID = ("carried", "mended", "counted", "painted", "washed", "sold", "found", "moved")
_WHAT = ("baskets", "chairs", "letters", "lamps", "boots", "kettles", "blankets", "maps")
_WHERE = ("harbour", "market", "station", "orchard", "library", "bridge", "mill", "square")
_COLOURS = ("amber", "violet", "scarlet", "indigo", "ivory", "teal")


def needle_suite(name: str) -> Suite:
    """The suite called `needle:TOKENS` or `needle:TOKENS:TIMES`.

    Raises SpecError for a length or a number out of range.
    """
    text = name.removeprefix(NEEDLE)
    tokens, colon, times = text.partition(":")
    shortest, longest = LENGTHS
    if not tokens.isdecimal() or not shortest <= int(tokens) <= longest:
        raise _unknown(
            name, f"{tokens!r} is no whole number of tokens from {shortest} to {longest}"
        )
    if colon and not (times.isdecimal() and 1 <= int(times) <= MOST_TIMES):
        raise _unknown(name, f"{times!r} is no whole number of times from 1 to {MOST_TIMES}")
    chance = random.Random(f"needle/{VERSION}/{text}")  # noqa: S311 - a puzzle
    items = _items(int(tokens), int(times or 1), chance)
    lines = "".join(json.dumps(item) + "\n" for item in items)
    header = {"suite": name, "version": VERSION, "sha256": hash_of(lines, None)}
    return parse_jsonl(Path(name), json.dumps(header) + "\n" + lines)


def _unknown(name: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"no needle suite is called {name!r}",
        why=why,
        fix=f"--suite {NEEDLE}8000",
    )


def _items(tokens: int, times: int, rng: random.Random) -> list[dict[str, Any]]:
    words = round(tokens / TOKENS_PER_WORD)
    single = [
        _single(f"needle-{depth:.2f}-{number}", words, depth, rng)
        for depth, number in product(DEPTHS, range(PER_DEPTH * times))
    ]
    several = (_several(f"needles-{number:02d}", words, rng) for number in range(SEVERAL * times))
    return [*single, *several]


def _single(item_id: str, words: int, depth: float, rng: random.Random) -> dict[str, Any]:
    colour, code = rng.choice(_COLOURS), str(rng.randint(10_000, 99_999))
    sentences = _filler(words, rng)
    sentences.insert(round(depth * len(sentences)), _hidden(colour, code))
    question = f"What is the {colour} code in the text above? Reply with the code only."
    return {
        "id": item_id,
        "category": "single",
        "prompt": f"{' '.join(sentences)}\n\n{question}",
        "scorer": "contains",
        "answer": code,
        "max_tokens": 32,
    }


def _several(item_id: str, words: int, rng: random.Random) -> dict[str, Any]:
    colours = rng.sample(_COLOURS, 3)
    codes = [str(code) for code in rng.sample(range(10_000, 100_000), 3)]
    sentences = _filler(words, rng)
    places = sorted(rng.sample(range(len(sentences) + 1), 3), reverse=True)
    for place, colour, code in zip(places, colours, codes, strict=True):
        sentences.insert(place, _hidden(colour, code))
    question = "Which three codes are in the text above? Reply with the three codes only."
    return {
        "id": item_id,
        "category": "several",
        "prompt": f"{' '.join(sentences)}\n\n{question}",
        "scorer": "checks",
        "checks": [{"check": "has", "text": code} for code in codes],
        "max_tokens": 48,
    }


def _hidden(colour: str, code: str) -> str:
    return f"The {colour} code is {code}."


def _filler(words: int, rng: random.Random) -> list[str]:
    """About so many words in different sentences without numbers that look like a code."""
    found: dict[str, None] = {}
    count = 0
    while count < words:
        who, how, did, what, where = (rng.choice(x) for x in (_WHO, _HOW, _DID, _WHAT, _WHERE))
        sentence = f"On day {rng.randint(1, 9999)} the {who} {how} {did} {what} near the {where}."
        count += 0 if sentence in found else len(sentence.split())
        found[sentence] = None
    return list(found)
