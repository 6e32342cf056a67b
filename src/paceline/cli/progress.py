"""A run on stderr: one line per event, readable without colour or a terminal."""

import shutil
import sys
from collections.abc import Sequence
from typing import Final

from paceline.app.budget import estimate_text
from paceline.app.ledger import ledger
from paceline.app.licenses import banner
from paceline.cli.run_figures import load_text
from paceline.clock import Clock
from paceline.plan.search import Step
from paceline.records.launch import Cause
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.units import format_duration

ERASE_LINE: Final = "\r\x1b[K"
MORE: Final = " …"


class LineWatch:
    """Prints finished steps as lines; on a terminal the current phase is a line that changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._terminal = sys.stderr.isatty()
        self._label = ""
        self._number = 0
        self._total = 0

    def redirected(
        self, earlier: RunRecord, changes: Sequence[str], reused: int, refused: Sequence[str]
    ) -> None:
        self._say(f"from run {earlier.run_id}; understood:")
        for change in changes:
            self._say(f"  {change}")
        self._say(f"{reused} of its trials are used again")
        for because in refused:
            self._say(f"  not used: {because}")

    def planned(self, run: RunRecord, plan: Plan) -> None:
        request = run.request
        limits = ", ".join(constraint.text for constraint in request.constraints) or "none"
        self._total = len(plan.variants)
        self._say(f"run {run.run_id}: {request.model} as pipeline {request.pipeline!r}")
        self._say(f"understood: priority {request.priority.value}; constraints: {limits}")
        self._say(
            f"load: {load_text(request.workload)}; {self._total} variants in the race,"
            f" {len(ledger(plan.rejected))} left out"
        )
        terms = banner(run.model)
        if terms is not None:
            self._say(terms)
        if run.estimate is not None:
            self._say(f"estimate: {estimate_text(run.estimate, request)}")

    def trial_began(self, step: Step, *, spent_s: float, expected_s: float) -> None:
        self._number += 1
        self._label = step.variant.label
        again = f" (launch {step.repeat + 1})" if step.repeat else ""
        self._say(
            f"[{self._elapsed()}] {self._number}. {self._label}{again}:"
            f" {step.because}; about {format_duration(expected_s)}"
        )

    def phase(self, text: str) -> None:
        if self._terminal:
            # What wraps could not be erased by the next phase.
            room = shutil.get_terminal_size().columns - 1 - len(MORE)
            line = f"[{self._elapsed()}]    {self._label}: {text}"
            sys.stderr.write(f"{ERASE_LINE}{line[:room]}{MORE}")
            sys.stderr.flush()

    def trial_ended(self, trial: TrialRecord, ranking: Ranking) -> None:
        self._say(f"[{self._elapsed()}]    {_result(trial)}")
        leader = next((r for r in ranking.ranked if r.variant.id == ranking.winner), None)
        if leader is not None and leader.objective is not None:
            objective = leader.objective
            self._say(
                f"[{self._elapsed()}]    best so far: {leader.variant.label},"
                f" {objective.value:,.4g} {objective.unit}"
            )

    def stopped(self, run: RunRecord) -> None:
        self._say(f"stopped; go on with: paceline optimize --resume {run.run_id}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(self._clock.monotonic_s() - self._started_s), 60)
        return f"{minutes:2d}:{seconds:02d}"

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{ERASE_LINE if self._terminal else ''}{text}\n")
        sys.stderr.flush()


_WHOLE: Final = (
    ("e2e_p50_ms", "e2e p50 {:,.0f} ms"),
    ("requests_per_s", "{:,.3g} images/s"),
    ("cost_usd_per_image", "${:.3g}/image"),
)
"""Of answers that come whole: pictures."""


def _result(trial: TrialRecord) -> str:
    if trial.cause is not Cause.FINISHED:
        return f"{trial.cause.value}: {trial.detail}"
    parts = []
    for name, text in (
        ("output_tokens_per_s", "{:,.0f} tokens/s"),
        ("ttft_p95_ms", "TTFT p95 {:.0f} ms"),
        ("tpot_mean_ms", "TPOT {:.1f} ms"),
        *(() if "ttft_p95_ms" in trial.metrics else _WHOLE),
        ("quality", "quality {:.3f}"),
        ("quality_time_share", "asked in {:.0%} of the time"),
        ("fidelity_kl_nats", "KL {:.4f} nats"),
        ("peak_memory_gib", "{:.2f} GiB"),
    ):
        if name in trial.metrics:
            parts.append(text.format(trial.metrics[name].value))
    return f"{', '.join(parts)} (took {format_duration(trial.wall_s)})"
