"""Quality of any endpoint, alone or item by item against another one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from paceline.app.exams import program_of, prompts_of
from paceline.app.registry import adapter
from paceline.errors import Code, SetupError, SpecError
from paceline.plan.facts.tables import weight_format
from paceline.ports.fidelity import DistributionReader
from paceline.ports.quality import Evaluator, OnProgress, StopRule, Suites
from paceline.rank.quality import compare_quality
from paceline.records.fidelity import Fidelity, FidelityReading, Reading
from paceline.records.load import Target
from paceline.records.quality import (
    ItemScore,
    PairedVerdict,
    QualityComparison,
    QualityResult,
    Split,
    StopCause,
    Stopped,
    Suite,
)
from paceline.trial.asking import OTHER_ORDER
from paceline.trial.fidelity import compare_fidelity
from paceline.trial.garbage import broken_distributions, garbage_rule
from paceline.trial.images.grading import is_pictured
from paceline.trial.scoring import SuiteGrader
from paceline.trial.sequential import PairedRule, first_of, settled_flips

MakeEvaluator = Callable[[Path | None], Evaluator]
"""An evaluator that keeps its answers in a file, when one is named."""

_MARKUP: Final = re.compile(
    r"<(style|script|title)\b.*?</\1>|<[a-z/!][^>]*>?", re.DOTALL | re.IGNORECASE
)
NOT_CONNECTED: Final = "Connect"
"""Begins the names of httpx's errors of a connection that never was."""

FIDELITY_PROMPTS: Final = 64
"""Prompts of the suite whose next tokens are read beside the fixed texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What to ask of whom. `margin` is how much worse than `against` is still good enough.

    `loaded_concurrency` asks the endpoint again with so many in flight. `fidelity` reads its
    next-token distributions too, where both endpoints give them; `format` says how the weights are
    stored, so that damage beyond what it explains is found.
    """

    target: Target
    suite: str
    against: Target | None = None
    split: Split = Split.MAIN
    margin: float = 0.03
    concurrency: int = 8
    seed: int = 0
    every_item: bool = False
    noise_floor: bool = False
    loaded_concurrency: int | None = None
    fidelity: bool = False
    format: str | None = None
    answers_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One endpoint against itself: `flips` of `items` got another score the second time.

    Greedy decoding repeats itself only as far as the arithmetic does, and that depends on the
    batch. `difference` is the second composite − the first, over the shared items.
    """

    concurrency: int
    flips: int
    items: int
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came out; what was not asked for, or had nothing to compare with, is `None`.

    `noise` is the baseline asked twice, `under_load` the endpoint asked again in full batches.
    `fidelity_because` says why there is no fidelity though it was asked for.
    """

    suite: Suite
    result: QualityResult
    baseline: QualityResult | None = None
    comparison: QualityComparison | None = None
    verdict: PairedVerdict | None = None
    noise: Repeat | None = None
    under_load: Repeat | None = None
    fidelity: Fidelity | None = None
    fidelity_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closeness:
    """Fidelity to the baseline, or why there is none."""

    fidelity: Fidelity | None = None
    because: str | None = None


class Examiner:
    """Asks one suite, of one endpoint or of two."""

    def __init__(
        self,
        request: EvalRequest,
        *,
        suites: Suites,
        make_evaluator: MakeEvaluator,
        reader: DistributionReader,
        on_progress: Callable[[str], OnProgress],
    ) -> None:
        self._request = request
        self._make_evaluator = make_evaluator
        self._reader = reader
        self._on_progress = on_progress
        self._bits = None if request.format is None else weight_format(request.format).bits_linear
        self._suite = _part(suites.find(request.suite), request.split)
        self._grader = SuiteGrader(program_of(self._suite))

    def run(self) -> Evaluation:
        """Ask the baseline first, whole; then the endpoint, until the verdict is clear.

        Raises SpecError for a suite that cannot be asked, SetupError when no answer came at all.
        """
        request = self._request
        if request.against is None:
            found = Evaluation(
                suite=self._suite,
                result=self._ask(request.target, "answers", garbage_rule(self._suite)),
            )
        else:
            found = self._compared(request.target, request.against)
        if request.loaded_concurrency is not None and not _is_broken(found.result):
            loaded = self._repeat(
                request.target, found.result, "loaded", concurrency=request.loaded_concurrency
            )
            found = replace(found, under_load=loaded)
        return found

    def _compared(self, target: Target, against: Target) -> Evaluation:
        request = self._request
        baseline = self._ask(against, "baseline", garbage_rule(self._suite))
        noise = (
            self._repeat(against, baseline, "noise", concurrency=request.concurrency)
            if request.noise_floor
            else None
        )
        close = self._closeness(target, against) if request.fidelity else _Closeness()
        paired = PairedRule(self._suite, baseline, margin=request.margin)
        broken = self._broken_rule(baseline, close.fidelity)
        rule = first_of(broken, _watching(paired) if request.every_item else paired)
        result = self._ask(target, "answers", rule)
        return Evaluation(
            suite=self._suite,
            result=result,
            baseline=baseline,
            comparison=compare_quality(result, baseline, seed=request.seed),
            verdict=paired.verdict(),
            noise=noise,
            fidelity=close.fidelity,
            fidelity_because=close.because,
        )

    def _broken_rule(self, baseline: QualityResult, fidelity: Fidelity | None) -> StopRule:
        """Broken by what it answers, or by its distributions: then the first answer is enough."""
        by_answers = garbage_rule(self._suite, baseline)
        found = None if fidelity is None else broken_distributions(fidelity, self._bits)
        return by_answers if found is None else lambda _scores: found

    def _closeness(self, target: Target, against: Target) -> _Closeness:
        base = self._read(against)
        if base.reading is None:
            return _Closeness(because=f"{against.base_url}: {base.unavailable}")
        mine = self._read(target, reading=base.reading)
        if mine.reading is None:
            return _Closeness(because=f"{target.base_url}: {mine.unavailable}")
        again = self._read(against, reading=base.reading)
        return _Closeness(fidelity=compare_fidelity(mine, base, again))

    def _read(self, target: Target, *, reading: Reading | None = None) -> FidelityReading:
        return self._reader.read(
            target,
            prompts=prompts_of(self._suite.items[:FIDELITY_PROMPTS]),
            concurrency=self._request.concurrency,
            reading=reading,
        )

    def _repeat(
        self, target: Target, first: QualityResult, part: str, *, concurrency: int
    ) -> Repeat:
        """Ask the same items in another order, so that they meet in other batches."""
        asked = {score.item_id for score in first.items}
        items = tuple(item for item in self._suite.items if item.item_id in asked)
        again = self._ask(
            target,
            part,
            None if self._request.every_item else settled_flips(first),
            suite=replace(self._suite, items=items),
            seed=self._request.seed + OTHER_ORDER,
            concurrency=concurrency,
        )
        again = replace(again, stopped=None)  # its interval is over the items that were asked
        compared = compare_quality(again, first, seed=self._request.seed)
        return Repeat(
            concurrency=concurrency,
            flips=len(compared.lost) + len(compared.gained) if compared else 0,
            items=len(again.items),
            difference=compared.difference if compared else again.score - first.score,
        )

    def _ask(
        self,
        target: Target,
        part: str,
        rule: StopRule | None,
        *,
        suite: Suite | None = None,
        seed: int | None = None,
        concurrency: int | None = None,
    ) -> QualityResult:
        result = self._make_evaluator(self._answers_path(part)).evaluate(
            target,
            suite or self._suite,
            grader=self._grader,
            seed=self._request.seed if seed is None else seed,
            concurrency=concurrency or self._request.concurrency,
            stop=_unreachable if rule is None else first_of(_unreachable, rule),
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
    make_reader: Callable[[], DistributionReader] = adapter("quality", "fidelity")
    examiner = Examiner(
        request,
        suites=make_suites(),
        make_evaluator=lambda path: make(answers_path=path),
        reader=make_reader(),
        on_progress=on_progress,
    )
    return examiner.run()


def _part(suite: Suite, split: Split) -> Suite:
    if is_pictured(suite):
        raise SpecError(
            Code.BAD_OPTION,
            f"the suite {suite.name!r} asks for pictures",
            why="eval asks for texts; pictures are compared with a baseline's, in a run",
            fix="paceline optimize MODEL --suite " + suite.name,
        )
    part = suite.only(split)
    if part.items:
        return part
    raise SpecError(
        Code.BAD_OPTION,
        f"the suite {suite.name!r} has no {split} items",
        why=f"0 of its {len(suite.items)} items are in the split {split}",
        fix="--split main" if split is Split.REPORT else "--split report",
    )


def _watching(paired: PairedRule) -> StopRule:
    """A rule that lets the verdict see everything and never stops."""

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        paired(scores)
        return None

    return rule


def _unreachable(scores: Sequence[ItemScore]) -> Stopped | None:
    """Where nobody listens at the first request, no other is sent."""
    error = scores[0].error or ""
    if len(scores) > 1 or not error.startswith(NOT_CONNECTED):
        return None
    return Stopped(cause=StopCause.CANCELLED, because=error)


def _is_broken(result: QualityResult) -> bool:
    return result.stopped is not None and result.stopped.cause is StopCause.GARBAGE


def _require_answers(target: Target, result: QualityResult) -> None:
    """Raises SetupError when every request failed: that says nothing about quality."""
    if not result.items or result.errors < len(result.items):
        return
    error = _in_a_line(result.items[0].error or "")
    if error.startswith(NOT_CONNECTED) and "SSL" in error:
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"no TLS connection to {target.base_url!r}",
            why=error,
            fix="name the authority that signed its certificate with SSL_CERT_FILE=FILE; write"
            " http:// if the server speaks no TLS",
        )
    if error.startswith(NOT_CONNECTED):
        raise SetupError(
            Code.ENDPOINT_UNREACHABLE,
            f"nothing answers at {target.base_url!r}",
            why=error,
            fix="start the server, or correct host and port in the URL",
        )
    raise SetupError(
        Code.ENDPOINT_FAILED,
        f"no answer from {target.base_url!r}",
        why=f"all of the first {len(result.items)} requests failed: {error}",
        fix=_fix_for(error),
    )


def _in_a_line(error: str) -> str:
    """Without the markup of a page that a server answered with."""
    return " ".join(_MARKUP.sub(" ", error).split()).removesuffix(":")


def _fix_for(error: str) -> str:
    if "template" in error:
        return "the model has no chat template: use --completions"
    if error.startswith("HTTP 401"):
        return "give the key with --api-key or PACELINE_API_KEY"
    if error.startswith("HTTP 404"):
        return "check --model against the endpoint's /v1/models"
    return "check that the endpoint runs and that the URL is right (without /v1)"
