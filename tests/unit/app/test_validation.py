"""Plans lose what the engine's own parser refuses, and keep everything when it cannot be asked."""

import sys
from pathlib import Path

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.app import validation
from paceline.app.places import Places
from paceline.app.planning import Planned
from paceline.app.validation import judged, without_invalid
from paceline.app.wiring import Workshop
from paceline.records.launch import (
    Environment,
    EnvironmentSpec,
    EnvironmentState,
    EnvironmentStatus,
    Validator,
)
from paceline.records.plan import Plan
from paceline.records.variant import RejectionReason
from paceline.testing.builders import a_cpu, a_model, a_variant

REFUSES_16 = """
import json, pathlib, sys
asked = json.load(sys.stdin)
said = ["16 is too many" if "16" in " ".join(argv) else None for argv in asked]
pathlib.Path(sys.argv[1]).write_text(json.dumps(said))
"""


def validator(program: str) -> Validator:
    return Validator(argv=(sys.executable, "-c", program), env={}, skipped=1, timeout_s=20.0)


class Picky(Fake):
    """The fake engine with a parser of its own."""

    program = REFUSES_16

    def environment(self) -> EnvironmentSpec | None:
        return EnvironmentSpec(name="fake", requirements=())

    def validator(self, environment: Environment) -> Validator:
        del environment
        return validator(self.program)


class Installed:
    """Environments in which everything is installed."""

    def status(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        environment = Environment(
            name=spec.name, python=sys.executable, bin_dir="/", lock=(), lock_sha256=""
        )
        state = EnvironmentState.INSTALLED
        return EnvironmentStatus(name=spec.name, state=state, detail="", environment=environment)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(validation, "load_engine", lambda _name: Picky())
    shop = Workshop(Places(data=tmp_path, cache=tmp_path))
    monkeypatch.setattr(shop, "environments", Installed(), raising=False)
    return shop


def planned() -> Planned:
    baseline, refused = a_variant(), a_variant(knobs=(("capacity", 16),))
    plan = Plan(baseline=baseline, variants=(baseline, refused), rejected=())
    return Planned(model=a_model(), accelerators=(a_cpu(),), plan=plan)


def test_a_refused_variant_is_rejected_in_the_parsers_words(shop: Workshop) -> None:
    said: list[str] = []
    found = without_invalid(planned(), shop, say=said.append).plan
    assert found.variants == (found.baseline,)
    rejection = found.rejected[0]
    assert rejection.reason is RejectionReason.UNSUPPORTED
    assert rejection.detail == "fake refuses its command line: 16 is too many"
    assert said == ["asking fake about 2 command lines"]


def test_the_baseline_stays_whatever_is_said(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picky, "program", REFUSES_16.replace('"16" in " ".join(argv)', "True"))
    found = without_invalid(planned(), shop, say=lambda _line: None).plan
    assert found.baseline in found.variants


@pytest.mark.parametrize(
    ("argv", "timeout_s", "words"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no module')"), 60.0, "no module"),
        (("/no/such/program",), 60.0, "No such file"),
        ((sys.executable, "-c", "import time; time.sleep(600)"), 0.1, "timed out"),
    ],
)
def test_a_parser_that_cannot_be_asked_refuses_nothing(
    argv: tuple[str, ...], timeout_s: float, words: str
) -> None:
    said: list[str] = []
    asked = Validator(argv=argv, env={}, skipped=0, timeout_s=timeout_s)
    assert judged(asked, [("a",), ("b",)], say=said.append) == [None, None]
    assert "unchecked" in said[0]
    assert words in said[0]
