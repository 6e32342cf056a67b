"""From the options of `paceline bench`, as typed, to a load test; contradictions are found here.

Files are read here, nothing is sent.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.app.bench_forms import (
    arrivals_of,
    bad_option,
    bounds_of,
    contradiction,
    duration_of,
    lines_of,
    prefix_of,
    stages_of,
)
from paceline.app.endpoint_url import endpoint_url
from paceline.errors import Code, SpecError
from paceline.records.load import Route, Target
from paceline.records.load_plan import (
    Arrivals,
    ClientSettings,
    Lengths,
    LoadShape,
    Stage,
)
from paceline.records.request import Constraint
from paceline.spec.contradiction import refuse_contradictions
from paceline.spec.grammar import parse_constraint
from paceline.spec.names import unknown_name
from paceline.trial.attainment import refuse_unjudged
from paceline.trial.lengths import parse_lengths
from paceline.trial.presets import preset_named
from paceline.trial.trace import read_prompts, read_trace
from paceline.units import Seconds

DEFAULT_DURATION_S: Final = Seconds(30.0)
DEFAULT_WARMUP: Final = 4
"""Warm-up requests in open loop; in closed loop it is one per slot."""
ROUTES: Final = {
    "chat": Route.CHAT,
    "completions": Route.COMPLETIONS,
    "embeddings": Route.EMBEDDINGS,
    "images": Route.IMAGES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What was typed; `None` where nothing was. `docs/guides/bench.md` explains each."""

    url: str
    model: str
    concurrency: int | None = None
    rate: float | None = None
    arrivals: str | None = None
    trace: Path | None = None
    stages: str | None = None
    requests: int | None = None
    duration: str | None = None
    max_in_flight: int | None = None
    input_tokens: str | None = None
    output_tokens: str | None = None
    shared_prefix: str | None = None
    turns: str | None = None
    think: str | None = None
    dataset: Path | None = None
    preset: str | None = None
    tokenizer: Path | None = None
    exact_output: bool = False
    api_key: str | None = None
    route: str = "chat"
    constraint: Sequence[str] | None = None
    find_max: bool = False
    concurrency_bounds: str | None = None
    rate_bounds: str | None = None
    max_probes: int = 20
    warmup: int | None = None
    timeout: str | None = None
    processes: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a search may try; `highest` is `None` without a limit."""

    lowest: float | None
    highest: float | None
    start: float | None
    most_probes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """A load test as understood. In a search the shape's level is only where it would start."""

    target: Target
    shape: LoadShape
    constraints: tuple[Constraint, ...]
    search: Bounds | None


def bench_request(options: BenchOptions) -> BenchRequest:
    """Read the options. Raises SpecError with what is wrong or does not go together."""
    base_url = endpoint_url(options.url)
    _refuse_pairs(options)
    constraints = tuple(parse_constraint(text) for text in options.constraint or ())
    refuse_unjudged(constraints)
    refuse_contradictions(constraints)
    if options.route not in ROUTES:
        raise unknown_name("route", options.route, ROUTES)
    search = _search(options, constraints)
    return BenchRequest(
        target=Target(
            base_url=base_url,
            model=options.model,
            api_key=options.api_key or None,
            route=ROUTES[options.route],
        ),
        shape=_shape(options, searching=search is not None),
        constraints=constraints,
        search=search,
    )


def _refuse_pairs(options: BenchOptions) -> None:
    """Options that exclude each other, and options that need another one."""
    closed = options.concurrency is not None or options.concurrency_bounds is not None
    opened = options.rate is not None or options.rate_bounds is not None
    loads = {
        "--concurrency": closed,
        "--rate": opened,
        "--trace": options.trace is not None,
        "--stages": options.stages is not None,
    }
    given = [name for name, present in loads.items() if present]
    if len(given) > 1:
        raise contradiction(
            f"{given[0]} and {given[1]}", "each says by itself when requests are sent"
        )
    if not given and not options.find_max:
        raise SpecError(
            Code.BAD_OPTION,
            "no load is given",
            why="none of --concurrency, --rate, --trace, --stages and --find-max is there",
            fix="try --concurrency 8, --rate 10, or --find-max with a --constraint",
        )
    if options.rate is not None and not math.isfinite(options.rate):
        raise bad_option("--rate", f"{options.rate}", "it is a number of requests per second")
    for clashes, what, why in _clashes(options, closed=closed or not opened, opened=opened):
        if clashes:
            raise contradiction(what, why)


def _clashes(
    options: BenchOptions, *, closed: bool, opened: bool
) -> Iterator[tuple[bool, str, str]]:
    """Pairs of options that exclude each other: whether both are there, which, and why."""
    fixed = options.trace is not None or options.stages is not None
    rates = opened or "/s" in (options.stages or "")
    lengths = options.input_tokens is not None or options.output_tokens is not None
    yield (
        options.find_max and fixed,
        "--find-max and --trace or --stages",
        "a search sets the level itself, a trace or stages set it too",
    )
    yield (
        options.arrivals is not None and not rates,
        "--arrivals and a load without a rate",
        "arrivals are drawn for a rate; other loads say themselves when requests go out",
    )
    yield (
        options.dataset is not None and options.input_tokens is not None,
        "--dataset and --input-tokens",
        "the prompts of a data set are as long as they are",
    )
    yield (
        options.trace is not None and lengths,
        "--trace and --input-tokens or --output-tokens",
        "every line of a trace has its own lengths",
    )
    yield (
        options.max_in_flight is not None and closed and not fixed,
        "--max-in-flight and a closed loop",
        "in closed loop the concurrency is the number in flight",
    )
    yield (
        options.stages is not None and options.duration is not None,
        "--stages and --duration",
        "the stages add up to the duration",
    )
    yield (
        (options.concurrency_bounds or options.rate_bounds) is not None and not options.find_max,
        "bounds and a load without --find-max",
        "only a search has bounds",
    )


def _search(options: BenchOptions, constraints: Sequence[Constraint]) -> Bounds | None:
    if not options.find_max:
        return None
    if not constraints:
        raise SpecError(
            Code.BAD_OPTION,
            "--find-max has no constraint",
            why="0 constraints are given; without one every load is good enough",
            fix="add for example --constraint 'ttft p95 <= 200ms'",
        )
    for constraint in constraints:
        if not constraint.comparison.wants_less:
            raise SpecError(
                Code.BAD_CONSTRAINT,
                f"--find-max cannot search with {constraint.text!r}",
                why="it fails at low load and passes at high load, so it bounds nothing from above",
                fix="leave it out, or measure one load without --find-max",
            )
    if options.max_probes < 1:
        raise bad_option("--max-probes", str(options.max_probes), "a search needs at least 1")
    whole = options.rate is None and options.rate_bounds is None
    name = "--concurrency-bounds" if whole else "--rate-bounds"
    text = options.concurrency_bounds if whole else options.rate_bounds
    lowest, highest = bounds_of(name, text, whole=whole) if text else (None, None)
    start = options.concurrency if whole else options.rate
    if start is not None and not 0 < start < math.inf:
        raise bad_option("--concurrency" if whole else "--rate", f"{start:g}", "it is above 0")
    if start is not None and not (lowest or 0) <= start <= (highest or float("inf")):
        level = "--concurrency" if whole else "--rate"
        raise contradiction(f"{level} {start:g} and {name} {text}", "the start lies outside")
    return Bounds(lowest=lowest, highest=highest, start=start, most_probes=options.max_probes)


def _shape(options: BenchOptions, *, searching: bool) -> LoadShape:
    stages, rates = stages_of(options.stages)
    arrivals, cv = Arrivals.CLOSED, None
    if options.trace is not None:
        arrivals = Arrivals.TRACE
    elif rates or options.rate is not None or options.rate_bounds is not None:
        arrivals, cv = arrivals_of(options.arrivals)
    trace = lines_of(options.trace, "--trace")
    prompts = lines_of(options.dataset, "--dataset")
    inputs, outputs, prefix_tokens, groups = _lengths(options)
    duration_s = duration_of("--duration", options.duration)
    if not (searching or stages or trace or options.requests is not None or duration_s):
        duration_s = DEFAULT_DURATION_S
    closed = arrivals is Arrivals.CLOSED and not stages
    if closed and searching and options.warmup is not None:
        raise contradiction(
            f"--warmup {options.warmup} and a search for the highest concurrency",
            "each probe warms each of its slots up once",
        )
    return LoadShape(
        arrivals=arrivals,
        concurrency=(options.concurrency or 1) if closed and searching else options.concurrency,
        rate_rps=(options.rate or 1.0) if searching and not closed else options.rate,
        gamma_cv=cv,
        stages=stages,
        trace=read_trace(trace, name=str(options.trace)) if trace is not None else (),
        requests=options.requests,
        duration_s=duration_s,
        max_in_flight=options.max_in_flight,
        input_tokens=inputs,
        output_tokens=outputs,
        prefix_tokens=prefix_tokens,
        prefix_groups=groups,
        turns=parse_lengths(options.turns or "1", option="--turns"),
        think_s=duration_of("--think", options.think) or 0.0,
        prompts=read_prompts(prompts, name=str(options.dataset)) if prompts is not None else (),
        warmup_requests=_warmup(options, stages),
        seed=options.seed,
        settings=_settings(options),
    )


def _lengths(options: BenchOptions) -> tuple[Lengths, Lengths, int, int]:
    """Input, output, shared prefix and its groups: of the preset, with what was given on top."""
    default = LoadShape()
    preset = preset_named(options.preset) if options.preset else None
    inputs = preset.input_tokens if preset else default.input_tokens
    outputs = preset.output_tokens if preset else default.output_tokens
    prefix_tokens = preset.prefix_tokens if preset else 0
    groups = preset.prefix_groups if preset else 1
    if options.input_tokens is not None:
        inputs, prefix_tokens = parse_lengths(options.input_tokens, option="--input-tokens"), 0
    if options.output_tokens is not None:
        outputs = parse_lengths(options.output_tokens, option="--output-tokens")
    if options.shared_prefix is not None:
        prefix_tokens, groups = prefix_of(options.shared_prefix)
    if options.trace is None and options.dataset is None and prefix_tokens > inputs.mean:
        raise contradiction(
            f"a shared prefix of {prefix_tokens} tokens and inputs of {inputs.mean:g}",
            f"the prefix is part of the input, and {prefix_tokens} > {inputs.mean:g}",
        )
    return inputs, outputs, prefix_tokens, groups


def _warmup(options: BenchOptions, stages: tuple[Stage, ...]) -> int:
    if options.warmup is not None:
        if options.warmup < 0:
            raise bad_option("--warmup", str(options.warmup), "it is 0 or more")
        return options.warmup
    if stages and options.rate is None:
        return max(1, int(min(stages[0].level, DEFAULT_WARMUP)))
    return options.concurrency or min(DEFAULT_WARMUP, options.max_in_flight or DEFAULT_WARMUP)


def _settings(options: BenchOptions) -> ClientSettings:
    if options.processes is not None and options.processes < 1:
        raise bad_option("--processes", str(options.processes), "it is 1 or more")
    default = ClientSettings()
    return ClientSettings(
        timeout_s=duration_of("--timeout", options.timeout) or default.timeout_s,
        exact_output=options.exact_output,
        tokenizer_path=str(options.tokenizer) if options.tokenizer else None,
        processes=options.processes,
    )
