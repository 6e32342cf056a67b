"""`paceline bench`: load-test any OpenAI-compatible endpoint."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Final

import typer

from paceline.app.bench import BenchReport, Ended, first_shape, run_bench
from paceline.app.bench_document import bench_document, plan_document
from paceline.app.bench_files import keep_samples
from paceline.app.bench_request import BenchOptions, BenchRequest, bench_request
from paceline.app.output_files import require_writable, write_output
from paceline.app.wiring import Workshop
from paceline.cli import bench_options as options
from paceline.cli.bench_page import bench_page
from paceline.cli.bench_text import print_bench, print_plan
from paceline.cli.bench_view import BenchView
from paceline.cli.output import print_json
from paceline.errors import Code, SetupError
from paceline.trial.arrivals import plan_load
from paceline.trial.find_max import ProbeVerdict

NOT_SATISFIED: Final = 5
INTERRUPTED: Final = 130
OPTIONS: Final = frozenset(field.name for field in fields(BenchOptions))
"""The parameters of the command that are passed on as they are: they have the same names."""


def bench(
    url: options.Url,
    model: options.Model,
    concurrency: options.Concurrency = None,
    rate: options.Rate = None,
    arrivals: options.ArrivalsName = None,
    trace: options.Trace = None,
    stages: options.Stages = None,
    requests: options.Requests = None,
    duration: options.Duration = None,
    max_in_flight: options.MaxInFlight = None,
    input_tokens: options.InputTokens = None,
    output_tokens: options.OutputTokens = None,
    shared_prefix: options.SharedPrefix = None,
    turns: options.Turns = None,
    think: options.Think = None,
    dataset: options.Dataset = None,
    preset: options.PresetName = None,
    tokenizer: options.Tokenizer = None,
    exact_output: options.ExactOutput = False,
    api_key: options.ApiKey = None,
    route: options.RouteName = "chat",
    constraint: options.Constraints = None,
    find_max: options.FindMax = False,
    concurrency_bounds: options.ConcurrencyBounds = None,
    rate_bounds: options.RateBounds = None,
    max_probes: options.MaxProbes = 20,
    warmup: options.Warmup = None,
    timeout: options.Timeout = None,
    processes: options.Processes = None,
    seed: options.Seed = 0,
    html: options.Html = None,
    samples: options.Samples = None,
    fail_on_verdict: options.FailOnVerdict = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Load-test any OpenAI-compatible endpoint.

    Give one load: --concurrency, --rate, --trace or --stages; or search for the highest one
    with --find-max. Without --requests or --duration it takes 30 seconds. Ctrl-C ends it early
    and keeps what was measured. The guide is docs/guides/bench.md.
    """
    asked = {name: value for name, value in locals().items() if name in OPTIONS}
    request = bench_request(BenchOptions(**asked))
    require_writable(html, "--html")
    require_writable(samples, "--samples")
    if dry_run:
        _print_plan(request, as_json=as_json)
        return
    shop = Workshop()
    report = _measured(request, shop)
    _leave(report, shop, html=html, samples=samples, as_json=as_json)
    _exit(report, fail_on_verdict=fail_on_verdict)


def _print_plan(request: BenchRequest, *, as_json: bool) -> None:
    plan = plan_load(first_shape(request))
    if as_json:
        print_json(plan_document(request, plan))
    else:
        print_plan(request, plan)


def _measured(request: BenchRequest, shop: Workshop) -> BenchReport:
    view = BenchView()
    try:
        with _interruptible() as stop:
            return run_bench(request, shop, view, stop)
    finally:
        view.close()


def _leave(
    report: BenchReport, shop: Workshop, *, html: Path | None, samples: Path | None, as_json: bool
) -> None:
    """Write the files and print; one that has no room must not take the figures with it."""
    kept: tuple[Path, ...] = ()
    try:
        kept = keep_samples(report, samples, shop)
        if html is not None:
            made_at = shop.clock.utc_now().strftime("%Y-%m-%d %H:%M UTC")
            write_output(html, bench_page(report, made_at=made_at).encode(), "--html")
    finally:
        _print(report, kept, as_json=as_json)


def _print(report: BenchReport, kept: tuple[Path, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({**bench_document(report), "samples": [str(path) for path in kept]})
    else:
        print_bench(report)
    for path in kept:
        typer.echo(f"samples: {path}", err=True)


def _exit(report: BenchReport, *, fail_on_verdict: bool) -> None:
    """The exit code that the report deserves; 0 returns."""
    if report.ended is Ended.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if report.ended is Ended.ENDPOINT_LOST:
        raise SetupError(
            Code.ENDPOINT_FAILED,
            "the endpoint was lost during the test; what was measured is above",
            why=report.detail,
            fix="look at the server's log",
        )
    shown = report.shown
    if shown is None or not shown.summary.ok:
        kinds = shown.summary.outcomes if shown else {}
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        details = list(shown.result.samples.details.values())[:1] if shown else []
        raise SetupError(
            Code.ENDPOINT_FAILED,
            "no request was answered well",
            why=": ".join([counted, *details]),
            fix="look at the server's log; --samples FILE keeps how each request ended",
        )
    satisfied = shown.verdict is ProbeVerdict.PASS
    if fail_on_verdict and not satisfied:
        raise typer.Exit(NOT_SATISFIED)


class _Stop:
    """Becomes true with the first SIGINT; a second one interrupts as usual."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self) -> bool:
        return self._told

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._told:
            raise KeyboardInterrupt
        self._told = True
        typer.echo("ending early; once more to end at once", err=True)


@contextmanager
def _interruptible() -> Iterator[_Stop]:
    stop = _Stop()
    before = signal.signal(signal.SIGINT, stop.on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
