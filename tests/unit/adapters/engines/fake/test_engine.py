"""The fake's behaviour comes from the format, then the variable, then the knobs."""

import json
from typing import Any

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.errors import SetupError
from paceline.records.launch import Artefact, Environment
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

ENVIRONMENT = Environment(name="fake", python="", bin_dir="", lock=(), lock_sha256="")


def behaviour(format_: str = "int8", *knobs: tuple[str, Scalar]) -> dict[str, Any]:
    spec = Fake().launch(
        a_variant("fake", format_, knobs=knobs),
        Artefact(folder="/m", format=format_, sha256="", size_bytes=1),
        model=a_model(),
        environment=ENVIRONMENT,
        accelerator=a_cpu(),
        port=20_001,
    )
    fields: dict[str, Any] = json.loads(spec.argv[spec.argv.index("--behaviour") + 1])
    return fields


def test_smaller_formats_are_faster_and_worse() -> None:
    formats = [behaviour(format_) for format_ in Fake().formats()]
    speeds = [fields["token_ms"] for fields in formats]
    accuracies = [fields["accuracy"] for fields in formats]
    assert speeds == sorted(speeds, reverse=True)
    assert accuracies == sorted(accuracies, reverse=True)


def test_knobs_win_over_the_variable_and_the_variable_over_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "PACELINE_FAKE",
        '{"*": {"token_ms": 9, "accuracy": 0.1}, "int8": {"accuracy": 0.2, "capacity": 5}}',
    )
    fields = behaviour("int8", ("capacity", 7))
    assert (fields["token_ms"], fields["accuracy"], fields["capacity"]) == (9, 0.2, 7)
    assert behaviour("int4")["accuracy"] == 0.1


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"int8": 3}'])
def test_a_variable_that_cannot_be_read_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_FAKE", text)
    with pytest.raises(SetupError, match="PACELINE_FAKE"):
        behaviour()
