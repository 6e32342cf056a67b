"""A load test as text: the rows that the terminal and the HTML page both show."""

from typing import Final

import typer

from paceline.app.bench import BenchPoint, BenchReport, Ended
from paceline.app.bench_document import level_name
from paceline.app.bench_request import BenchRequest
from paceline.cli.bench_view import load_text
from paceline.cli.output import print_table
from paceline.records.load import LoadSummary
from paceline.records.load_plan import LoadPlan
from paceline.records.measurement import Interval, Stat
from paceline.records.samples import Outcome
from paceline.records.telemetry import TelemetryGap, TelemetryWindow
from paceline.trial.find_max import MaxLoadVerdict
from paceline.units import format_duration

DASH: Final = "–"
ARRIVALS_SHOWN: Final = 3
LATENCY_COLUMNS: Final = ("ms", "mean", "p50", "p90", "p95", "p99", "max", "n")
PROBE_COLUMNS: Final = ("verdict", "requests/s", "tokens/s", "TTFT p95", "TPOT p95", "why")
VERDICT_COLUMNS: Final = ("constraint", "verdict", "why")
STAGE_COLUMNS: Final = (
    "stage",
    "requests",
    "not ok",
    "requests/s",
    "tokens/s",
    "TTFT p95",
    "TPOT mean",
)
AGREEMENT_COLUMNS: Final = ("mean of", "client ms", "server ms", "agree", "why")


def print_bench(report: BenchReport) -> None:
    """The report on stdout."""
    shown = report.shown
    if shown is None:
        return
    for line in headline(report):
        typer.echo(line)
    if report.max_load is not None:
        unit = level_name(report.request)
        print_table("Probes", (unit, *PROBE_COLUMNS), probe_rows(report))
    print_table("Latency", LATENCY_COLUMNS, latency_rows(shown))
    if shown.stages:
        print_table("Stages", STAGE_COLUMNS, stage_rows(shown))
    if shown.verdicts:
        print_table("Constraints", VERDICT_COLUMNS, verdict_rows(shown))
    print_table("Client", ("what", "value"), client_rows(shown))
    told = [row for row in telemetry_rows(shown) if row[1] != "missing"]
    if told:
        print_table("Beside the load", ("source", "what", "value"), told)
    if shown.agreement:
        print_table("Client against server", AGREEMENT_COLUMNS, agreement_rows(shown))
    for note in shown.notes:
        typer.echo(f"note: {note}")


def print_plan(request: BenchRequest, plan: LoadPlan) -> None:
    """What a load would send, without sending it; of a search, how it would go on is unknown."""
    target = request.target
    typer.echo(f"target: {target.model} at {target.base_url} ({target.route.value})")
    for constraint in request.constraints:
        typer.echo(f"constraint: {constraint.text}")
    if request.search is not None:
        search = request.search
        low, high = (DASH if v is None else f"{v:g}" for v in (search.lowest, search.highest))
        unit = level_name(request)
        typer.echo(f"search over {unit} from {low} to {high}, at most {search.most_probes} probes")
        return
    inputs = [row.input_tokens for row in plan.rows]
    outputs = [row.output_tokens for row in plan.rows]
    repeated = "" if plan.open_loop or plan.requests else ", repeated with other text to the end"
    typer.echo(f"load: {load_text(plan)}")
    typer.echo(f"drawn: {len(plan.rows):,} requests{repeated}; seed {plan.seed}")
    typer.echo(f"input tokens: mean {sum(inputs) / len(inputs):.4g}, most {max(inputs)}")
    typer.echo(f"output tokens: mean {sum(outputs) / len(outputs):.4g}, most {max(outputs)}")
    if plan.open_loop:
        dues = [row.due_s for row in plan.rows if row.due_s is not None]
        first = ", ".join(f"{due_s:.3f}" for due_s in dues[:ARRIVALS_SHOWN])
        typer.echo(f"first arrivals at {first} s, the last at {max(dues):.3f} s")


def headline(report: BenchReport) -> list[str]:
    """What came out, in one to three sentences."""
    lines = []
    shown, found = report.shown, report.max_load
    if found is not None:
        lines.append(f"highest load: {_answer(report)}; {found.because}")
    if shown is not None:
        summary = shown.summary
        level = "" if found is None else f" at {level_name(report.request)} {shown.level:.4g}"
        lines.append(
            f"{summary.requests_per_s:,.4g} requests/s and {summary.output_tokens_per_s:,.5g}"
            f" output tokens/s{level}, {summary.ok:,} answered, {_failures(summary)},"
            f" {summary.incomplete:,} unfinished in {format_duration(summary.window_s)}"
            + (f"; a ramp of {summary.trimmed:,} left out" if summary.trimmed else "")
        )
    if report.ended is not Ended.FINISHED:
        lines.append(f"ended early: {report.detail}")
    return lines


def _failures(summary: LoadSummary) -> str:
    """How many failed, by kind."""
    apart = (Outcome.OK, Outcome.UNFINISHED)
    kinds = [f"{n:,} {kind}" for kind, n in summary.outcomes.items() if kind not in apart]
    return f"{summary.failed:,} failed" + (f" ({', '.join(kinds)})" if kinds else "")


def stage_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """One row per stage: its level, what it answered, its latencies in ms."""
    rows: list[tuple[str, ...]] = []
    for result in point.stages:
        stage, summary = result.stage, result.summary
        ramp = "" if stage.end_level is None else f" to {stage.end_level:g}"
        rows.append(
            (
                f"{stage.level:g}{ramp} for {format_duration(stage.duration_s)}",
                f"{summary.ok + summary.failed + summary.incomplete:,}",
                f"{summary.failed + summary.incomplete:,}",
                f"{summary.requests_per_s:,.4g}",
                f"{summary.output_tokens_per_s:,.5g}",
                DASH if summary.ttft_ms.p95 is None else f"{summary.ttft_ms.p95:,.4g}",
                DASH if summary.tpot_ms.mean is None else f"{summary.tpot_ms.mean:,.4g}",
            )
        )
    return rows


def _answer(report: BenchReport) -> str:
    """The four-valued answer in words."""
    found = report.max_load
    if found is None:
        raise AssertionError("only called for a search")
    unit = "in flight" if level_name(report.request) == "concurrency" else "requests/s"
    level = DASH if found.level is None else f"{found.level:.4g} {unit}"
    match found.verdict:
        case MaxLoadVerdict.FOUND:
            return level if found.level else "none"
        case MaxLoadVerdict.LOWER_BOUND:
            return f"at least {level} (lower_bound)"
        case MaxLoadVerdict.CLIENT_BOUND:
            least = "unknown" if found.level is None else f"at least {level}"
            return f"{least} (client_bound)"
        case MaxLoadVerdict.UNRESOLVED:
            least = "unknown" if found.level is None else f"at least {level}"
            return f"{least} (unresolved)"


def latency_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """One row per latency: mean with its interval, percentiles, n."""
    summary = point.summary
    stats = [
        ("TTFT", summary.ttft_ms),
        ("TPOT", summary.tpot_ms),
        ("gap between chunks", summary.itl_ms),
        ("whole request", summary.e2e_ms),
    ]
    if point.open_loop:
        stats.append(("TTFT from the schedule", summary.scheduled_ttft_ms))
        stats.append(("whole request from the schedule", summary.scheduled_e2e_ms))
    return [_latency_row(name, stat) for name, stat in stats if stat.n]


def verdict_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """One row per constraint."""
    return [(v.constraint.text, v.verdict.value, v.because) for v in point.verdicts]


def probe_rows(report: BenchReport) -> list[tuple[str, ...]]:
    """One row per probe, in the order in which they were made."""
    return [
        (
            DASH if point.level is None else f"{point.level:.4g}",
            point.verdict.value,
            f"{point.summary.requests_per_s:.4g}",
            f"{point.summary.output_tokens_per_s:.5g}",
            _ms(point.summary.ttft_ms.p95),
            _ms(point.summary.tpot_ms.p95),
            "; ".join(_reasons(point)) or point.because,
        )
        for point in report.points
    ]


def client_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """The client's own account."""
    health = point.result.health
    rows: list[tuple[str, ...]] = [
        ("verdict", point.client.verdict.value),
        *(("reason", reason) for reason in point.client.reasons),
        ("event loop lag p99", f"{_ms(health.loop_lag_ms.p99)} ms"),
        ("send skew p99", f"{_ms(health.send_skew_ms.p99)} ms"),
        ("CPU", f"{health.cpu_s:.3g} s, processes: {health.processes}"),
    ]
    if health.offered_rps is not None:
        sent = f"{health.achieved_rps:.4g} of {health.offered_rps:.4g} requests/s"
        rows.append(("sent of offered", f"{sent}, {health.held} held back by --max-in-flight"))
    return rows


def telemetry_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """What each source said, or why it said nothing."""
    rows: list[tuple[str, ...]] = []
    for window in point.telemetry:
        if isinstance(window, TelemetryGap):
            rows.append((window.source, "missing", window.because))
        else:
            rows += _window_rows(window)
    return rows


def agreement_rows(point: BenchPoint) -> list[tuple[str, ...]]:
    """Client and server side by side."""
    words = {True: "yes", False: "NO", None: DASH}
    return [
        (a.metric, f"{a.client_ms:.4g}", f"{a.server_ms:.4g}", words[a.agree], a.because)
        for a in point.agreement
    ]


def _window_rows(window: TelemetryWindow) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (window.subject, name, f"mean {gauge.mean:.4g}, most {gauge.max:.4g}")
        for name, gauge in window.gauges.items()
    ]
    rows += [(window.subject, name, f"{grown:,.6g}") for name, grown in window.counters.items()]
    rows += [
        (window.subject, name, f"mean {times.mean_ms:.4g} ms, p95 {_bucket(times.p95_ms)}")
        for name, times in window.times.items()
    ]
    return rows


def _bucket(bounds: Interval | None) -> str:
    return "unknown" if bounds is None else f"in {bounds.lo:.4g}–{bounds.hi:.4g} ms"


def _reasons(point: BenchPoint) -> list[str]:
    told = [f"{v.constraint.text}: {v.because}" for v in point.verdicts]
    return [*(f"client: {reason}" for reason in point.client.reasons), *told]


def _latency_row(name: str, stat: Stat) -> tuple[str, ...]:
    interval = stat.ci95.get("mean")
    around = "" if interval is None else f" ±{two_digits((interval.hi - interval.lo) / 2)}"
    values = (stat.p50, stat.p90, stat.p95, stat.p99, stat.max)
    return (name, f"{_ms(stat.mean)}{around}", *(_ms(v) for v in values), f"{stat.n:,}")


def two_digits(value: float) -> str:
    """Of a width more digits mean nothing; never as a power of ten."""
    return f"{float(f'{value:.2g}'):,.10g}"


def _ms(value: float | None) -> str:
    return DASH if value is None else f"{value:.4g}"
