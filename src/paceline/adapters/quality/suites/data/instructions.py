"""Instructions about form: length, format, language, case, words to use and to avoid.

What is said does not matter here, only whether the form holds; every check sets a least length, so
that an empty or trivial reply never passes.
"""

from collections.abc import Sequence

from paceline.adapters.quality.suites.data.drafts import Draft, family, in_turn, user

Check = dict[str, str | int]

_MAX_TOKENS = 192


def instructions() -> list[Draft]:
    """Twelve families of five."""
    makers: tuple[tuple[str, list[Draft]], ...] = (
        ("words", _words()),
        ("sentences", _sentences()),
        ("bullets", _bullets()),
        ("numbered", _numbered()),
        ("lower", _cased("lower")),
        ("upper", _cased("upper")),
        ("include", _include()),
        ("avoid", _avoid()),
        ("frame", _frame()),
        ("language", _language()),
        ("separated", _separated()),
        ("repeat", _repeat()),
    )
    return [
        draft
        for name, drafts in makers
        for draft in family(
            "instructions", f"form-{name}", len(drafts), in_turn(drafts), report_every=len(drafts)
        )
    ]


def _asked(text: str, *checks: Check) -> Draft:
    return {
        "messages": [user(text)],
        "scorer": "checks",
        "checks": list(checks),
        "max_tokens": _MAX_TOKENS,
    }


def _count(check: str, least: int, most: int | None = None, text: str = "") -> Check:
    found: Check = {"check": check, "least": least}
    if most is not None:
        found["most"] = most
    return {**found, "text": text} if text else found


def _has(text: str) -> Check:
    return {"check": "has", "text": text}


def _words() -> list[Draft]:
    tasks = (("the sea", 5), ("a bicycle", 7), ("winter", 4), ("your favourite food", 6))
    exact = [
        _asked(
            f"Write about {topic} in exactly {count} words. No title, nothing else.",
            _count("words", count, count),
        )
        for topic, count in tasks
    ]
    bounded = _asked(
        "Explain what a library is in at least 20 and at most 40 words.", _count("words", 20, 40)
    )
    return [*exact, bounded]


def _sentences() -> list[Draft]:
    tasks = (("rain", 2), ("how to boil an egg", 3), ("dogs", 1), ("the Moon", 2), ("trains", 4))
    return [
        _asked(
            f"Write exactly {count} sentence{'s' if count > 1 else ''} about {topic}. Use no "
            "abbreviations and end every sentence with a full stop.",
            _count("sentences", count, count),
            _count("words", 4 * count),
        )
        for topic, count in tasks
    ]


def _bullets() -> list[Draft]:
    tasks = (
        ("things to pack for a beach holiday", 3),
        ("animals that can fly", 4),
        ("uses of paper", 5),
        ("kinds of weather", 3),
        ("sports played with a ball", 6),
    )
    return [
        _asked(
            f"List {count} {topic} as bullet points, each on a line of its own that begins with "
            "'- '. Write nothing before or after the list.",
            _count("bullets", count, count),
            _count("lines", count, count),
        )
        for topic, count in tasks
    ]


def _numbered() -> list[Draft]:
    tasks = (
        ("steps to wash your hands", 4),
        ("months of the year", 5),
        ("tools found in a kitchen", 3),
        ("reasons to learn to swim", 3),
        ("parts of a tree", 4),
    )
    return [
        _asked(
            f"Give {count} {topic} as a numbered list: one per line, beginning with '1.', '2.' and "
            "so on. Write nothing else.",
            _count("numbered", count, count),
            _count("lines", count, count),
            {"check": "starts", "text": "1."},
        )
        for topic, count in tasks
    ]


def _cased(case: str) -> list[Draft]:
    topics = ("a garden", "the city at night", "a good friend", "the first day of school", "music")
    named = {
        "lower": "only lower-case letters, no capitals at all",
        "upper": "only CAPITAL letters",
    }
    return [
        _asked(
            f"Write one sentence about {topic}, using {named[case]}.",
            {"check": case},
            _count("words", 4),
        )
        for topic in topics
    ]


def _include() -> list[Draft]:
    tasks = (
        ("a walk", ("river", "bridge", "dog")),
        ("a kitchen", ("knife", "soup", "window")),
        ("space", ("star", "rocket", "silence")),
        ("a market", ("apples", "basket", "noise")),
        ("a storm", ("thunder", "roof", "candle")),
    )
    return [
        _asked(
            f"Write one or two sentences about {topic} that contain the words "
            f"'{first}', '{second}' and '{third}' in exactly this form.",
            *(_has(word) for word in (first, second, third)),
            _count("sentences", 1, 2),
        )
        for topic, (first, second, third) in tasks
    ]


def _avoid() -> list[Draft]:
    no_comma: Check = {"check": "lacks_text", "text": ","}
    tasks: tuple[tuple[str, Sequence[Check]], ...] = (
        ("Describe the sky in one sentence without using the word 'blue'.", [_lacks("blue")]),
        (
            "Describe coffee in two sentences without the words 'drink' and 'black'.",
            [_lacks("drink"), _lacks("black")],
        ),
        ("Describe a forest in two sentences without using any comma.", [no_comma]),
        (
            "Describe snow in one sentence without the words 'cold' and 'white'.",
            [_lacks("cold"), _lacks("white")],
        ),
        (
            "Write one sentence about breakfast that has no letter 'z' and no comma.",
            [no_comma, {"check": "lacks_text", "text": "z"}],
        ),
    )
    return [_asked(text, *checks, _count("words", 5)) for text, checks in tasks]


def _lacks(text: str) -> Check:
    return {"check": "lacks", "text": text}


def _frame() -> list[Draft]:
    tasks = (
        ("Write a short note to a neighbour about a parcel", "Dear neighbour", "Kind regards."),
        ("Write two sentences in praise of bread", "Bread", "That is all."),
        ("Give one tip for saving water", "Tip:", "Good luck."),
        ("Write a two-sentence bedtime story", "Once upon a time", "The end."),
        ("State one advantage of trains", "Trains", "Thank you."),
    )
    return [
        _asked(
            f"{task}. Begin your reply with '{start}' and finish it with '{end}'.",
            {"check": "starts", "text": start},
            {"check": "ends", "text": end},
            _count("words", 8),
        )
        for task, start, end in tasks
    ]


def _language() -> list[Draft]:
    tasks = (
        ("es", "Spanish", "your town"),
        ("fr", "French", "the sea"),
        ("de", "German", "the weather"),
        ("it", "Italian", "a family meal"),
        ("es", "Spanish", "a journey by train"),
    )
    return [
        _asked(
            f"Write three sentences in {name} about {topic}. Use no English.",
            {"check": "language", "text": code},
            _count("words", 10),
        )
        for code, name, topic in tasks
    ]


def _separated() -> list[Draft]:
    tasks = (
        ("five colours", ",", "commas", 5),
        ("four European countries", ";", "semicolons", 4),
        ("three musical instruments", "|", "vertical bars ('|')", 3),
        ("six numbers between 1 and 50", ",", "commas", 6),
        ("four fruits", "/", "slashes ('/')", 4),
    )
    return [
        _asked(
            f"Name {what}, separated by {name}, on one line and with nothing else.",
            _count("parts", count, count, mark),
            _count("lines", 1, 1),
            _count("characters", 3 * count, 160),
        )
        for what, mark, name, count in tasks
    ]


def _repeat() -> list[Draft]:
    tasks = (("echo", 3), ("hello", 4), ("stop", 2), ("yes", 5), ("again", 6))
    return [
        _asked(
            f"Write the word '{word}' exactly {count} times, separated by spaces; nothing else.",
            _count("word_times", count, count, word),
            _count("words", count, count),
        )
        for word, count in tasks
    ]
