"""A load test on stderr: a moving view on a terminal, one line every few seconds elsewhere."""

import sys
from collections import deque
from typing import Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from paceline.app.bench import BenchPoint
from paceline.app.bench_request import BenchRequest
from paceline.records.load import LoadProgress, Probe
from paceline.records.load_plan import LoadPlan
from paceline.stats import quantile
from paceline.trial.find_max import NextProbe
from paceline.units import format_duration

RECENT: Final = 1000
"""Answers that the moving percentiles are of."""
RATE_WINDOW_S: Final = 3.0
LINE_EVERY_S: Final = 5.0
SHARES: Final = (0.50, 0.95, 0.99)


class LiveNumbers:
    """The moving figures of a load under way. Pure: fed with reports, asked for text."""

    def __init__(self) -> None:
        self._ttft_ms: deque[float] = deque(maxlen=RECENT)
        self._tpot_ms: deque[float] = deque(maxlen=RECENT)
        self._reports: deque[tuple[float, int, int]] = deque()
        self.last: LoadProgress | None = None

    def add(self, progress: LoadProgress) -> None:
        """Take one report in."""
        self.last = progress
        self._ttft_ms.extend(progress.recent_ttft_ms)
        self._tpot_ms.extend(progress.recent_tpot_ms)
        self._reports.append((progress.elapsed_s, progress.ok, progress.output_chunks))
        while progress.elapsed_s - self._reports[0][0] > RATE_WINDOW_S:
            self._reports.popleft()

    def rows(self) -> list[tuple[str, str]]:
        """Label and value, in the order in which they are shown."""
        if self.last is None:
            return [("state", "warming up")]
        return [
            ("time", format_duration(self.last.elapsed_s)),
            ("requests", f"{self.last.started:,} started, {self.last.ok:,} answered"),
            ("rate", self._rate()),
            ("in flight", f"{self.last.in_flight:,}"),
            ("TTFT", _percentiles(self._ttft_ms)),
            ("TPOT", _percentiles(self._tpot_ms)),
            ("errors", _failures(self.last)),
        ]

    def line(self) -> str:
        """The same in one line."""
        return "; ".join(f"{label} {value}" for label, value in self.rows())

    def _rate(self) -> str:
        first_s, first_ok, first_chunks = self._reports[0]
        last_s, last_ok, last_chunks = self._reports[-1]
        if last_s <= first_s:
            return "–"
        span_s = last_s - first_s
        requests, chunks = (last_ok - first_ok) / span_s, (last_chunks - first_chunks) / span_s
        return f"{requests:,.4g} requests/s, {chunks:,.4g} chunks/s"


class BenchView:
    """Shows a load test to a person; the JSON document has the same and more."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._numbers = LiveNumbers()
        self._title = ""
        self._next_line_s = LINE_EVERY_S

    def began(self, request: BenchRequest, probe: Probe) -> None:
        self._say(f"{request.target.model} at {request.target.base_url}: answers")
        self._say(
            f"one request alone: first output after {probe.ttft_ms:.4g} ms,"
            f" {'token counts from usage' if probe.sends_usage else 'no usage sent'}"
        )
        for note in probe.notes:
            self._say(f"note: {note}")
        if request.constraints:
            self._say(f"constraints: {', '.join(c.text for c in request.constraints)}")

    def point_began(self, number: int, plan: LoadPlan, next_: NextProbe | None) -> None:
        self._numbers, self._next_line_s = LiveNumbers(), LINE_EVERY_S
        self._title = load_text(plan) if next_ is None else f"probe {number}: {load_text(plan)}"
        self._say(self._title if next_ is None else f"{self._title} ({next_.because})")
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
            self._live.update(self._table())

    def progress(self, progress: LoadProgress) -> None:
        self._numbers.add(progress)
        if self._live is not None:
            self._live.update(self._table())
        elif progress.elapsed_s >= self._next_line_s:
            self._next_line_s = progress.elapsed_s + LINE_EVERY_S
            self._say(f"  {self._numbers.line()}")

    def point_ended(self, point: BenchPoint) -> None:
        self.close()
        self._say(f"  {point_text(point)}")

    def close(self) -> None:
        """Take the moving part off the screen, whatever happened."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(title=self._title, title_justify="left", box=None, show_header=False)
        for label, value in self._numbers.rows():
            table.add_row(label, value)
        return table

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


def load_text(plan: LoadPlan) -> str:
    """The load of a plan in words."""
    if plan.open_loop:
        rate = "" if plan.offered_rps is None else f" at {plan.offered_rps:.4g} requests/s"
        text = f"{plan.arrivals.value} arrivals{rate}"
    else:
        most = max(level.in_flight for level in plan.levels)
        text = f"{most:g} in flight"
    bounds = [
        f"{plan.requests or len(plan.rows):,} requests" if plan.requests or plan.open_loop else "",
        f"at most {format_duration(plan.duration_s)}" if plan.duration_s else "",
    ]
    return ", ".join([text, *(bound for bound in bounds if bound)])


def point_text(point: BenchPoint) -> str:
    """A measured load in one line."""
    summary = point.summary
    parts = [
        f"{summary.requests_per_s:,.4g} requests/s",
        f"{summary.output_tokens_per_s:,.5g} tokens/s",
    ]
    for label, stat in (("TTFT", summary.ttft_ms), ("TPOT", summary.tpot_ms)):
        if stat.p95 is not None:
            parts.append(f"{label} p95 {stat.p95:.4g} ms")
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    parts += [f"{v.constraint.text}: {v.verdict.value}" for v in point.verdicts]
    parts += [f"client_bound: {reason}" for reason in point.client.reasons]
    return ", ".join(parts)


def _percentiles(values: deque[float]) -> str:
    if not values:
        return "–"
    found = (f"p{share * 100:.0f} {quantile(tuple(values), share):.4g}" for share in SHARES)
    return f"{', '.join(found)} ms"


def _failures(progress: LoadProgress) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(progress.failures.items()))
    return kinds or "none"
