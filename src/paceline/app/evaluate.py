"""Quality of any endpoint, alone or item by item against another one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.app.registry import adapter
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.quality import Evaluator, OnProgress, ProgramScorer, StopRule, Suites
from paceline.rank.quality import compare_quality
from paceline.records.load import Target
from paceline.records.quality import (
    ItemScore,
    QualityComparison,
    QualityResult,
    Scorer,
    Split,
    Stopped,
    Suite,
)
from paceline.trial.garbage import garbage_rule
from paceline.trial.scoring import SuiteGrader
from paceline.trial.sequential import PairedRule, PairedVerdict, first_of

MakeEvaluator = Callable[[Path | None], Evaluator]
"""An evaluator that keeps its answers in a file, when one is named."""

NOISE_SEED: Final = 1
"""Added to the seed of the second asking: the same items in other company, other batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What to ask of whom. `margin` is how much worse than `against` is still good enough."""

    target: Target
    suite: str
    against: Target | None = None
    split: Split = Split.MAIN
    margin: float = 0.03
    concurrency: int = 8
    seed: int = 0
    every_item: bool = False
    noise_floor: bool = False
    answers_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The baseline against itself: what two askings of one server already differ by.

    `flips` of `items` got another score when the same items were asked in other batches.
    """

    flips: int
    items: int
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came out; the last four are `None` when there was nothing to compare with."""

    suite: Suite
    result: QualityResult
    baseline: QualityResult | None = None
    comparison: QualityComparison | None = None
    verdict: PairedVerdict | None = None
    noise: NoiseFloor | None = None


class Examiner:
    """Asks one suite, of one endpoint or of two."""

    def __init__(
        self,
        request: EvalRequest,
        *,
        suites: Suites,
        make_evaluator: MakeEvaluator,
        on_progress: Callable[[str], OnProgress],
    ) -> None:
        self._request = request
        self._make_evaluator = make_evaluator
        self._on_progress = on_progress
        self._suite = _part(suites.find(request.suite), request.split)
        self._grader = SuiteGrader(_program(self._suite))

    def run(self) -> Evaluation:
        """Ask the baseline first, whole; then the endpoint, until the verdict is clear.

        Raises SpecError for a suite that cannot be asked, SetupError when no answer came at all.
        """
        request = self._request
        if request.against is None:
            result = self._ask(request.target, "answers", garbage_rule(self._suite))
            return Evaluation(suite=self._suite, result=result)
        baseline = self._ask(request.against, "baseline", garbage_rule(self._suite))
        noise = self._noise(request.against, baseline) if request.noise_floor else None
        paired = PairedRule(self._suite, baseline, margin=request.margin)
        broken = garbage_rule(self._suite, baseline)
        rule = first_of(broken, _watching(paired) if request.every_item else paired)
        result = self._ask(request.target, "answers", rule)
        return Evaluation(
            suite=self._suite,
            result=result,
            baseline=baseline,
            comparison=compare_quality(result, baseline, seed=request.seed),
            verdict=paired.verdict(),
            noise=noise,
        )

    def _noise(self, against: Target, baseline: QualityResult) -> NoiseFloor:
        again = self._ask(against, "noise", None, seed=self._request.seed + NOISE_SEED)
        was = {score.item_id: score.score for score in baseline.items}
        pairs = [(was[one.item_id], one.score) for one in again.items if one.item_id in was]
        return NoiseFloor(
            flips=sum(one != other for one, other in pairs),
            items=len(pairs),
            difference=again.score - baseline.score,
        )

    def _ask(
        self, target: Target, part: str, rule: StopRule | None, *, seed: int | None = None
    ) -> QualityResult:
        result = self._make_evaluator(self._answers_path(part)).evaluate(
            target,
            self._suite,
            grader=self._grader,
            seed=self._request.seed if seed is None else seed,
            concurrency=self._request.concurrency,
            stop=rule,
            on_progress=self._on_progress(part),
        )
        _require_answers(target, result)
        return result

    def _answers_path(self, part: str) -> Path | None:
        path = self._request.answers_path
        if path is None or part == "answers":
            return path
        return path.with_name(f"{path.stem}.{part}{path.suffix}")


def examine(request: EvalRequest, *, on_progress: Callable[[str], OnProgress]) -> Evaluation:
    """`Examiner.run` with the adapters that come with Paceline."""
    make_suites: Callable[[], Suites] = adapter("suites", "files")
    make: Callable[..., Evaluator] = adapter("quality", "suites")
    examiner = Examiner(
        request,
        suites=make_suites(),
        make_evaluator=lambda path: make(answers_path=path),
        on_progress=on_progress,
    )
    return examiner.run()


def _part(suite: Suite, split: Split) -> Suite:
    part = suite.only(split)
    if part.items:
        return part
    raise SpecError(
        Code.BAD_OPTION,
        f"the suite {suite.name!r} has no {split} items",
        why=f"0 of its {len(suite.items)} items are in the split {split}",
        fix="--split main" if split is Split.REPORT else "--split report",
    )


def _program(suite: Suite) -> ProgramScorer | None:
    """The user's own scorer, when an item asks for it; refused early when its file is absent."""
    if not any(item.scorer is Scorer.PYTHON for item in suite.items):
        return None
    make: Callable[[Path], ProgramScorer] = adapter("quality", "python")
    return make(Path(suite.scorer_path or ""))


def _watching(paired: PairedRule) -> StopRule:
    """A rule that lets the verdict see everything and never stops."""

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        paired(scores)
        return None

    return rule


def _require_answers(target: Target, result: QualityResult) -> None:
    """Raises SetupError when every request failed: that says nothing about quality."""
    if not result.items or result.errors < len(result.items):
        return
    error = result.items[0].error or ""
    unreachable = error.startswith("Connect")
    raise SetupError(
        Code.ENDPOINT_UNREACHABLE if unreachable else Code.ENDPOINT_FAILED,
        f"no answer from {target.base_url!r}",
        why=f"all of the first {len(result.items)} requests failed: {error}",
        fix=_fix_for(error),
    )


def _fix_for(error: str) -> str:
    if "template" in error:
        return "the model has no chat template: use --completions"
    if error.startswith("HTTP 401"):
        return "give the key with --api-key or PACELINE_API_KEY"
    if error.startswith("HTTP 404"):
        return "check --model against the endpoint's /v1/models"
    return "check that the endpoint runs and that the URL is right (without /v1)"
