"""JSON on stdout, without anything that draws."""

import sys
from collections.abc import Mapping

import orjson


def print_json(document: Mapping[str, object]) -> None:
    """One JSON document on stdout; numbers that are not finite become null."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    sys.stdout.write(text.decode() + "\n")
