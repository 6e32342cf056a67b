import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from paceline.app.evaluate import EvalRequest, Evaluation, Repeat
from paceline.cli import eval as command
from paceline.ports.quality import OnProgress
from paceline.rank.quality import compare_quality
from paceline.records.load import Route
from paceline.records.quality import ItemScore, QualityProgress, Reply, StopCause, Stopped, Suite
from paceline.testing.quality import small_suite
from paceline.trial.scoring import SuiteGrader, summarize
from paceline.trial.sequential import paired_verdict

SUITE = small_suite(40)


def evaluation(suite: Suite, *, right: int, stopped: Stopped | None = None) -> Evaluation:
    """The first `right` items right, against a baseline that has all of them right."""
    grader = SuiteGrader()

    def scored(count: int) -> list[ItemScore]:
        return [
            grader.grade(item, Reply(text="right" if number < count else "wrong"))
            for number, item in enumerate(suite.items)
        ]

    result = summarize(suite, scored(right), stopped=stopped)
    baseline = summarize(suite, scored(40))
    differences = [0.0] * right + [-1.0] * (40 - right)
    return Evaluation(
        suite=suite,
        result=result,
        baseline=baseline,
        comparison=compare_quality(result, baseline, seed=0),
        verdict=paired_verdict(differences, margin=0.03),
        noise=Repeat(concurrency=8, flips=1, items=40, difference=0.0),
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Evaluation], list[EvalRequest]]:
    """Answer `examine` with a given evaluation and tell what it was asked."""

    def answer(found: Evaluation) -> list[EvalRequest]:
        seen: list[EvalRequest] = []

        def examine(
            request: EvalRequest, *, on_progress: Callable[[str], OnProgress]
        ) -> Evaluation:
            seen.append(request)
            on_progress("answers")(QualityProgress(answered=40, total=40, score=0.5, errors=1))
            return found

        monkeypatch.setattr(command, "examine", examine)
        return seen

    return answer


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(command.eval_command)
    result = CliRunner().invoke(app, ["http://a", "--model", "m", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_prints_scores_flips_and_the_verdict(
    asked: Callable[[Evaluation], list[EvalRequest]],
) -> None:
    asked(evaluation(SUITE, right=10))
    code, out, err = run("--against", "http://b")
    assert code == command.WORSE
    assert "composite" in out
    assert "fail: difference -0.750" in out
    assert "lost 30, gained 0 items; McNemar p = 1.9e-09" in out
    assert "noise floor: 1 of 40 items flip" in out
    assert "answers: 40/40 items, 0.500 so far, 1 failed" in err


def test_an_equal_endpoint_exits_with_zero(
    asked: Callable[[Evaluation], list[EvalRequest]],
) -> None:
    seen = asked(evaluation(SUITE, right=40))
    assert run("--against", "http://b", "--against-model", "n", "--completions")[0] == 0
    assert seen[0].against is not None
    assert (seen[0].against.model, seen[0].target.model) == ("n", "m")
    assert seen[0].target.route is Route.COMPLETIONS


def test_a_broken_endpoint_exits_with_five(
    asked: Callable[[Evaluation], list[EvalRequest]],
) -> None:
    found = evaluation(SUITE, right=0, stopped=Stopped(cause=StopCause.GARBAGE, because="12 empty"))
    asked(replace(found, verdict=None))
    code, out, _ = run()
    assert code == command.WORSE
    assert "stopped early, garbage: 12 empty" in out


def test_json_is_one_document_and_html_a_file(
    asked: Callable[[Evaluation], list[EvalRequest]], tmp_path: Path
) -> None:
    asked(evaluation(SUITE, right=40))
    page = tmp_path / "page.html"
    code, out, _ = run("--against", "http://b", "--json", "--html", str(page))
    assert code == 0
    assert json.loads(out)["score"] == 1.0
    assert page.read_text().startswith("<!doctype html>")
