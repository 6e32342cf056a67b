"""The tasks of a foreign harness, asked of one endpoint or of two."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paceline.app.evaluate import EvalRequest, Evaluation
from paceline.app.registry import adapter
from paceline.app.wiring import Workshop
from paceline.ports.engine import Say
from paceline.ports.quality import Harness
from paceline.rank.quality import compare_quality
from paceline.records.load import Target
from paceline.records.quality import QualityResult, Suite
from paceline.trial.scoring import SuiteGrader

HARNESS = "lm_eval"


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRequest:
    """Which tasks; `limit` items of each. `data` is a folder to use instead of the network."""

    tasks: tuple[str, ...]
    data: Path | None = None
    limit: int | None = None


def examine_tasks(
    request: EvalRequest, asked: HarnessRequest, *, shop: Workshop, say: Say
) -> Evaluation:
    """Install the harness when it is absent, ask, and compare where there is a baseline.

    The harness decides what and in which order to ask, so there is no sequential verdict.
    """
    make: Callable[[], Harness] = adapter("quality", HARNESS)
    harness = make()
    environment = shop.environments.install(harness.environment(), say=say)

    def ask(target: Target) -> QualityResult:
        return harness.evaluate(
            target,
            asked.tasks,
            environment=environment,
            grader=SuiteGrader(),
            seed=request.seed,
            concurrency=request.concurrency,
            limit=asked.limit,
            data=asked.data.resolve() if asked.data else None,
            say=say,
        )

    result = ask(request.target)
    baseline = ask(request.against) if request.against else None
    return Evaluation(
        suite=Suite(name=result.suite, version=HARNESS, sha256=result.suite_sha256, items=()),
        result=result,
        baseline=baseline,
        comparison=compare_quality(result, baseline, seed=request.seed) if baseline else None,
    )
