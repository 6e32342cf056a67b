"""JSON on stdout, without anything that draws."""

import sys
from collections.abc import Mapping

import orjson


def print_json(document: Mapping[str, object]) -> None:
    """One JSON document on stdout, in UTF-8 whatever the locale; infinities become null."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
