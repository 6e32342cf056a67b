from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from paceline.app import harness
from paceline.app.evaluate import EvalRequest
from paceline.app.evaluation_report import evaluation_document, evaluation_page
from paceline.app.harness import HarnessRequest, examine_tasks
from paceline.app.wiring import Workshop
from paceline.records.launch import Environment, EnvironmentSpec
from paceline.records.load import Target
from paceline.records.quality import QualityResult, Reply
from paceline.testing.quality import small_suite
from paceline.trial.scoring import SuiteGrader, summarize

GOOD, BAD = Target(base_url="http://good", model="m"), Target(base_url="http://bad", model="m")
ENVIRONMENT = Environment(name="e", python="p", bin_dir="b", lock=(), lock_sha256="")


class Tasks:
    """A harness that finds `good` right and `bad` wrong; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[dict[str, object]] = []

    def environment(self) -> EnvironmentSpec:
        return EnvironmentSpec(name="e", requirements=())

    def evaluate(self, target: Target, tasks: tuple[str, ...], **given: object) -> QualityResult:
        self.given.append({"tasks": tasks, **given})
        suite, grader = small_suite(8), SuiteGrader()
        text = "right" if target == GOOD else "wrong"
        return summarize(suite, [grader.grade(item, Reply(text=text)) for item in suite.items])


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    found = Tasks()
    monkeypatch.setattr(harness, "adapter", lambda _kind, _name: lambda: found)
    return found


def shop() -> Workshop:
    environments = SimpleNamespace(install=lambda _spec, *, say: ENVIRONMENT)
    return cast("Workshop", SimpleNamespace(environments=environments))


def test_compares_the_tasks_of_two_endpoints(tasks: Tasks) -> None:
    request = EvalRequest(target=BAD, suite="", against=GOOD, seed=4)
    asked = HarnessRequest(tasks=("gsm8k",), data=Path("data"), limit=8)
    found = examine_tasks(request, asked, shop=shop(), say=print)
    assert found.comparison is not None
    assert len(found.comparison.lost) == 8
    assert found.verdict is None
    given = tasks.given[0]
    assert (given["tasks"], given["limit"], given["seed"]) == (("gsm8k",), 8, 4)
    assert given["data"] == Path("data").resolve()
    assert given["environment"] == ENVIRONMENT
    assert evaluation_document(request, found)["score"] == 0.0
    assert "wrong" in evaluation_page(request, found)


def test_alone_it_only_scores(tasks: Tasks) -> None:
    request = EvalRequest(target=GOOD, suite="")
    found = examine_tasks(request, HarnessRequest(tasks=("a",)), shop=shop(), say=print)
    assert (found.result.score, found.baseline, found.comparison) == (1.0, None, None)
    assert len(tasks.given) == 1
