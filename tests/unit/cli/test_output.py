"""What is printed suits who reads it: a terminal, a program, somebody without colours."""

import io
import sys

import pytest

from paceline.cli import output
from paceline.cli.output import print_json


def test_json_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_ = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, encoding="latin-1"))
    print_json({"why": "1 – 2"})
    sys.stdout.flush()
    assert bytes_.getvalue().decode() == '{\n  "why": "1 – 2"\n}\n'


@pytest.mark.parametrize(("value", "bold"), [("", True), ("1", False)])
def test_who_wants_no_colour_gets_nothing_drawn(
    value: str, bold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    assert ("\x1b" in output._headed("rank")) is bold
