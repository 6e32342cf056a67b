"""A load test as the JSON contract has it. Nothing is computed here, only laid out."""

from collections.abc import Mapping
from dataclasses import asdict

from paceline import __version__
from paceline.app.bench import BenchPoint, BenchReport, StageResult
from paceline.app.bench_request import BenchRequest
from paceline.records.client import ClientVerdict
from paceline.records.load import ClientHealth
from paceline.records.load_plan import Lengths, LoadPlan
from paceline.records.measurement import Interval, Stat
from paceline.records.ranking import ConstraintVerdict
from paceline.records.telemetry import TelemetryGap, TelemetryWindow
from paceline.trial.find_max import MaxLoad

Json = Mapping[str, object]


def bench_document(report: BenchReport) -> Json:
    """The document that `paceline bench --json` prints; figures are those of the shown point."""
    shown = report.shown
    if shown is None:
        raise ValueError("nothing was measured, so there is nothing to lay out")
    document: dict[str, object] = {
        **figures(shown),
        "verdicts": [verdict(found) for found in shown.verdicts],
    }
    if report.max_load is not None:
        document["max_load"] = max_load(report, report.max_load)
    if shown.stages:
        document["stages"] = [_stage(result) for result in shown.stages]
    return {
        **document,
        "shown_point": shown.number,
        "server": server(shown),
        "request": request_document(report.request),
        "ended": report.ended.value,
        "detail": report.detail or None,
        "notes": list(shown.notes),
        "version": __version__,
    }


def plan_document(request: BenchRequest, plan: LoadPlan) -> Json:
    """What `paceline bench --dry-run --json` prints: the load as drawn, nothing measured."""
    dues = [row.due_s for row in plan.rows if row.due_s is not None]
    return {
        "request": request_document(request),
        "drawn": {
            "requests": len(plan.rows),
            "input_tokens": sum(row.input_tokens for row in plan.rows),
            "output_tokens": sum(row.output_tokens for row in plan.rows),
            "offered_rps": plan.offered_rps,
            "arrivals_s": dues,
        },
    }


def figures(point: BenchPoint) -> dict[str, object]:
    """What one load measured."""
    summary, result = point.summary, point.result
    return {
        "ttft_ms": stat(summary.ttft_ms),
        "tpot_ms": stat(summary.tpot_ms),
        "itl_ms": stat(summary.itl_ms),
        "e2e_ms": stat(summary.e2e_ms),
        "scheduled_e2e_ms": stat(summary.scheduled_e2e_ms),
        "scheduled_ttft_ms": stat(summary.scheduled_ttft_ms),
        "output_tokens_per_s": summary.output_tokens_per_s,
        "requests_per_s": summary.requests_per_s,
        "goodput_requests_per_s": point.goodput_rps,
        "requests": {
            "ok": summary.ok,
            "failed": summary.failed,
            "incomplete": summary.incomplete,
            "outcomes": dict(summary.outcomes),
            "started": len(result.samples),
            "trimmed": summary.trimmed,
            "warmup": result.warmup_requests,
            "warmup_failed": result.warmup_failed,
        },
        "window": {
            "start_s": summary.window_start_s,
            "length_s": summary.window_s,
            "steady": summary.steady,
            "drift": summary.drift,
            "in_flight_mean": summary.in_flight_mean,
            "in_flight_max": summary.in_flight_max,
        },
        "tokens": {
            "input_mean": summary.input_tokens_mean,
            "output_mean": summary.output_tokens_mean,
            "input_per_s": summary.input_tokens_per_s,
            "per_chunk": summary.tokens_per_chunk,
            "output_counted_by": dict(summary.token_counts),
        },
        "rates_ci95": {
            "output_tokens_per_s": interval(summary.output_tokens_per_s_ci95),
            "requests_per_s": interval(summary.requests_per_s_ci95),
        },
        "client": client(point.client, result.health),
    }


def _stage(result: StageResult) -> Json:
    """One stage; a ramp has an `end_level`."""
    stage, summary = result.stage, result.summary
    return {
        "level": stage.level,
        "end_level": stage.end_level,
        "duration_s": stage.duration_s,
        "ttft_ms": stat(summary.ttft_ms),
        "tpot_ms": stat(summary.tpot_ms),
        "scheduled_ttft_ms": stat(summary.scheduled_ttft_ms),
        "scheduled_e2e_ms": stat(summary.scheduled_e2e_ms),
        "output_tokens_per_s": summary.output_tokens_per_s,
        "requests_per_s": summary.requests_per_s,
        "requests": {
            "ok": summary.ok,
            "failed": summary.failed,
            "incomplete": summary.incomplete,
        },
    }


def max_load(report: BenchReport, found: MaxLoad) -> Json:
    """The answer of a search, with every probe in the order in which it was made."""
    unit = level_name(report.request)
    return {
        "verdict": found.verdict.value,
        unit: _whole(found.level),
        "fails_at": _whole(found.fails_at),
        "because": found.because,
        "evidence": [_evidence(point, unit) for point in report.points],
    }


def level_name(request: BenchRequest) -> str:
    """What the level of a load is called: `concurrency` or `rate`."""
    return "concurrency" if request.shape.concurrency is not None else "rate"


def request_document(request: BenchRequest) -> Json:
    """The load test as understood; never the key."""
    shape = request.shape
    return {
        "url": request.target.base_url,
        "model": request.target.model,
        "route": request.target.route.value,
        "constraints": [constraint.text for constraint in request.constraints],
        "arrivals": shape.arrivals.value,
        "concurrency": shape.concurrency,
        "rate": shape.rate_rps,
        "gamma_cv": shape.gamma_cv,
        "stages": [asdict(stage) for stage in shape.stages],
        "trace_rows": len(shape.trace) or None,
        "requests": shape.requests,
        "duration_s": shape.duration_s,
        "max_in_flight": shape.max_in_flight,
        "input_tokens": lengths(shape.input_tokens),
        "output_tokens": lengths(shape.output_tokens),
        "prefix_tokens": shape.prefix_tokens,
        "prefix_groups": shape.prefix_groups,
        "turns": lengths(shape.turns),
        "think_s": shape.think_s,
        "data_set_prompts": len(shape.prompts) or None,
        "warmup_requests": shape.warmup_requests,
        "seed": shape.seed,
        "search": None if request.search is None else asdict(request.search),
    }


def server(point: BenchPoint) -> Json:
    """What was read beside the load, by source; a source that said nothing says why."""
    return {
        "telemetry": [_telemetry(window) for window in point.telemetry],
        "agreement": [asdict(found) for found in point.agreement],
    }


def stat(found: Stat) -> Json:
    """STAT of the contract."""
    return {
        "mean": found.mean,
        "p50": found.p50,
        "p90": found.p90,
        "p95": found.p95,
        "p99": found.p99,
        "max": found.max,
        "n": found.n,
        "ci95": {name: interval(bounds) for name, bounds in found.ci95.items()},
    }


def interval(bounds: Interval | None) -> list[float] | None:
    """`[lo, hi]`."""
    return None if bounds is None else [bounds.lo, bounds.hi]


def verdict(found: ConstraintVerdict) -> Json:
    """One constraint and what was found about it."""
    return {
        "constraint": found.constraint.text,
        "verdict": found.verdict.value,
        "value": found.value,
        "margin": found.margin,
        "because": found.because,
    }


def client(found: ClientVerdict, health: ClientHealth) -> Json:
    """The client's innocence and what it rests on."""
    return {
        "verdict": found.verdict.value,
        "reasons": list(found.reasons),
        "cpu_s": health.cpu_s,
        "loop_lag_ms": stat(health.loop_lag_ms),
        "send_skew_ms": stat(health.send_skew_ms),
        "offered_rps": health.offered_rps,
        "achieved_rps": health.achieved_rps,
        "window_cpu_s": health.window_cpu_s,
        "window_s": health.window_s,
        "processes": health.processes,
        "cores": health.cores,
        "held": health.held,
        "connections_opened": health.connections_opened,
        "retried": health.retried,
        "kernel_stamps": health.kernel_stamps,
    }


def lengths(found: Lengths) -> Json:
    """A distribution of token counts; bounds only where it has some."""
    return {
        "kind": found.kind.value,
        "mean": found.mean,
        "deviation": found.deviation,
        "low": found.low,
        "high": found.high,
    }


def _evidence(point: BenchPoint, unit: str) -> Json:
    summary = point.summary
    return {
        "probe": point.number,
        unit: _whole(point.level),
        "verdict": point.verdict.value,
        "because": point.because,
        "requests": {
            "ok": summary.ok,
            "failed": summary.failed,
            "incomplete": summary.incomplete,
        },
        "output_tokens_per_s": summary.output_tokens_per_s,
        "requests_per_s": summary.requests_per_s,
        "ttft_ms": stat(summary.ttft_ms),
        "tpot_ms": stat(summary.tpot_ms),
        "scheduled_e2e_ms": stat(summary.scheduled_e2e_ms),
        "client": {
            "verdict": point.client.verdict.value,
            "reasons": list(point.client.reasons),
        },
        "verdicts": [verdict(found) for found in point.verdicts],
    }


def _telemetry(window: TelemetryWindow | TelemetryGap) -> Json:
    if isinstance(window, TelemetryGap):
        return {"source": window.source, "missing": window.because}
    return {
        "source": window.source,
        "subject": window.subject,
        "start_s": window.start_s,
        "end_s": window.end_s,
        "gauges": {name: asdict(found) for name, found in window.gauges.items()},
        "counters": dict(window.counters),
        "times_ms": {
            name: {
                "count": found.count,
                "mean": found.mean_ms,
                "p50": interval(found.p50_ms),
                "p95": interval(found.p95_ms),
                "p99": interval(found.p99_ms),
            }
            for name, found in window.times.items()
        },
    }


def _whole(level: float | None) -> float | int | None:
    """Concurrency as the whole number it is."""
    return int(level) if level is not None and level == int(level) else level
