"""A plan for people: what could serve, in which order, and what speaks against the rest.

Plain columns within 100 characters, fewer on a narrower terminal; nothing is imported that draws,
so that a plan is quick.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from paceline.app.ledger import ledger
from paceline.app.survey import Surveyed
from paceline.cli.columns import Laid, lay_out, terminal_width
from paceline.plan.survey.pricing import STALE_AFTER_DAYS
from paceline.plan.survey.shown import Candidate
from paceline.records.plan import Predicted, PredictedMetric
from paceline.records.request import Request
from paceline.records.variant import Rejection, Variant

if TYPE_CHECKING:  # as annotations alone: a plan of the tables needs neither
    from paceline.app.image_survey import ImagesSurveyed, Placed
    from paceline.app.planning import Planned

WIDTH = 100
ACCELERATORS = 12
UNKNOWN = "–"
CENT = 0.095
"""Dollars per million tokens below which two decimals say too little."""
Columns = tuple[tuple[str, str, str], ...]
"""Title, figure and format of each."""
_TEXTS: Columns = (
    ("tokens/s", "output_tokens_per_s", ",.0f"),
    ("TTFT ms", "ttft_mean_ms", ",.0f"),
    ("TPOT ms", "tpot_mean_ms", ",.1f"),
)
_PICTURES: Columns = (
    ("images/s", "requests_per_s", ",.3g"),
    ("e2e p50 ms", "e2e_p50_ms", ",.0f"),
    ("$/image", "cost_usd_per_image", ".2g"),
)
MARKET_MARKS = {"serverless-active": "a", "serverless-flex": "f", "spot": "s"}


def print_understood(request: Request) -> None:
    """What was read out of the words and flags, on stderr."""
    limits = ", ".join(constraint.text for constraint in request.constraints) or "none"
    typer.echo(f"understood: priority {request.priority.value}; constraints: {limits}", err=True)


def print_survey(found: Surveyed) -> None:
    """The best of each accelerator, the rejections by reason, and the decision in sentences."""
    survey, load = found.survey, found.request.workload
    arrivals = (
        f"{load.concurrency} requests in flight"
        if load.rate_rps is None
        else f"{load.rate_rps:g} requests/s"
    )
    _wrapped(
        f"{found.request.model} for {found.request.priority.value}: {arrivals},"
        f" {load.input_tokens} tokens in, {load.output_tokens} out. All figures are predicted."
    )
    _wrapped(
        f"{survey.considered:,} combinations; {len(survey.field.order):,} could serve,"
        f" {int(survey.field.could_win().sum()):,} could be the best"
    )
    if found.by_accelerator:
        typer.echo("")
        _print_candidates(found.by_accelerator)
    typer.echo("")
    _print_rejected(found)
    for text in survey.unpredicted:
        _wrapped(f"not predicted, so unresolved: {text}")
    _wrapped(f"order: {survey.formula}")
    if found.advice:
        typer.echo("")
    for answer in found.advice:
        _wrapped(f"{answer.topic}: {answer.text}")


def _print_candidates(best: Sequence[Candidate]) -> None:
    shown = best[:ACCELERATORS]
    header = (
        "rank",
        "accelerator and variant",
        "$/h",
        "TTFT ms",
        "TPOT ms",
        "tokens/s",
        "$/Mtok",
        "at",
    )
    laid = lay_out(header, [_row(one) for one in shown], _width(), left=(1,), gap=1)
    _print_lines(laid.header)
    for lines, one in zip(laid.rows, shown, strict=True):
        _print_lines(lines)
        typer.echo(f"{' ' * len(header[0])}   {_variant(one)}")
    more = len(best) - len(shown)
    rest = f"; {more} more accelerators in --json" if more else ""
    _wrapped(
        "the best of each accelerator; ranges are 90 % bands; $/Mtok is at the highest predicted"
        f" load that meets the constraints, of so many requests in flight{rest}"
    )
    _print_price_notes(shown)


def _row(one: Candidate) -> tuple[str, ...]:
    metrics, dear = one.metrics, one.highest.usd_per_mtok
    return (
        str(one.rank),
        f"{one.variant.count}x {one.variant.accelerator}",
        UNKNOWN if one.usd_per_hour is None else f"{one.usd_per_hour:.2f}{_mark(one)}",
        f"{metrics['ttft_mean_ms'].value:,.0f}",
        _band(metrics["tpot_mean_ms"], ".0f"),
        f"{metrics['output_tokens_per_s'].value:,.0f}",
        UNKNOWN if dear is None else _band(dear, ".2f" if dear.value >= CENT else ".3f"),
        str(one.highest.in_flight),
    )


def _variant(one: Candidate) -> str:
    knobs = [_short(name, value) for name, value in one.variant.knobs]
    return " ".join([one.variant.engine, one.variant.format, *knobs])


def _short(name: str, value: object) -> str:
    """`tensor_parallel` 4 as `tp4`; other knobs in full."""
    short = {"tensor_parallel": "tp", "pipeline_parallel": "pp", "data_parallel": "dp"}.get(name)
    if short is not None:
        return f"{short}{value}"
    return "ep" if name == "expert_parallel" else f"{name}={value}"


def _mark(one: Candidate) -> str:
    if one.quote is None:
        return ""
    mark = MARKET_MARKS.get(one.quote.price.market, "")
    return mark + ("!" if one.quote.stale else "")


def _band(metric: PredictedMetric, form: str) -> str:
    lo, hi = format(metric.band90.lo, form), format(metric.band90.hi, form)
    return f"{metric.value:{form}} {lo}–{hi}"


def _print_price_notes(shown: Sequence[Candidate]) -> None:
    quotes = [one.quote for one in shown if one.quote is not None]
    markets = {quote.price.market for quote in quotes}
    notes = [f"{mark} {market}" for market, mark in MARKET_MARKS.items() if market in markets]
    if any(quote.stale for quote in quotes):
        notes.append(f"! older than {STALE_AFTER_DAYS} days")
    days = sorted(quote.price.as_of for quote in quotes)
    if days:
        notes.append(f"read between {days[0]} and {days[-1]}")
    _wrapped(f"prices: on demand, cheapest provider{''.join('; ' + note for note in notes)}")


def _print_rejected(found: Surveyed) -> None:
    tallies = sorted(found.survey.rejected, key=lambda tally: -tally.count)
    total = sum(tally.count for tally in tallies)
    _wrapped(f"{total:,} rejected, none that could pass at the optimistic end of its band:")
    for tally in tallies:
        example = tally.example
        variant = example.variant
        sides = f": {example.have} against {example.need}" if example.have and example.need else ""
        if tally.kind == "does not fit":
            sides = f": needs {example.need}, has {example.have}"
        place = f"{variant.count}x {variant.accelerator}, {variant.label}"
        _wrapped(f"{tally.count:>9,}  {tally.kind}; e.g. {place}: {example.detail}{sides}", 11)


def print_images(found: "ImagesSurveyed") -> None:
    """The best variant of each accelerator with its price per image, then those that cannot."""
    load = found.request.workload.image
    size = "" if load is None else f" of {load.width_px}x{load.height_px} px"
    _wrapped(
        f"{found.request.model} for {found.request.priority.value}: images{size},"
        f" {found.request.workload.concurrency} in flight. All figures are predicted."
    )
    typer.echo("")
    header = ("accelerator and variant", "$/h", *(title for title, _, _ in _PICTURES))
    can = [one for one in found.placed if one.variant is not None]
    rows = [_image_row(one) for one in can[:ACCELERATORS]]
    _print_laid(lay_out(header, rows, _width(), left=(0,)))
    more = len(can) - ACCELERATORS
    rest = f"; {more} more accelerators in --json" if more > 0 else ""
    _wrapped(f"one accelerator each; ranges are 90 % bands{rest}")
    cannot = [one for one in found.placed if one.variant is None]
    if cannot:
        _wrapped(f"{len(cannot)} cannot; e.g. {cannot[0].accelerator}: {cannot[0].why_not}")


def _image_row(one: "Placed") -> tuple[str, ...]:
    metrics = {} if one.predicted is None else one.predicted.metrics
    cells = [
        _band(metrics[name], form) if name in metrics else UNKNOWN for _, name, form in _PICTURES
    ]
    price = UNKNOWN if one.usd_per_hour is None else f"{one.usd_per_hour:.2f}"
    label = "" if one.variant is None else one.variant.label
    return (f"{one.accelerator}  {label}", price, *cells)


def print_local(request: Request, planned: "Planned", estimate: str) -> None:
    """What `optimize` would measure on this machine, and why not the rest."""
    plan = planned.plan
    said = {one.variant_id: one for one in plan.predictions}
    few = request.workload.image is not None
    plain = [v for v in plan.variants if few or v == plan.baseline or _is_plain(v)]
    _wrapped(
        f"{request.model} on this machine: {len(plan.variants)} variants to measure,"
        f" {len(ledger(plan.rejected))} left out"
    )
    typer.echo("")
    columns = _TEXTS if request.workload.image is None else _PICTURES
    header = ("variant", *(title for title, _, _ in columns), "")
    rows = [_local_row(v, said.get(v.id), v == plan.baseline, columns) for v in plain]
    _print_laid(lay_out(header, rows, _width(), left=(0, len(header) - 1)))
    _print_local_notes(planned, len(plan.variants) - len(plain))
    _wrapped(f"estimate: {estimate}")


def _is_plain(variant: Variant) -> bool:
    return not (variant.knobs or variant.speculation)


def _local_row(
    variant: Variant, found: Predicted | None, is_baseline: bool, columns: Columns
) -> tuple[str, ...]:
    cells = [
        UNKNOWN if found is None or name not in found.metrics else _band(found.metrics[name], form)
        for _, name, form in columns
    ]
    return (variant.label, *cells, "baseline" if is_baseline else "")


def _print_local_notes(planned: "Planned", changed: int) -> None:
    plan = planned.plan
    if plan.predictions:
        trials = max(one.local_trials for one in plan.predictions)
        counted = f"{trials} trial{'' if trials == 1 else 's'}"
        own = f"corrected by {counted} of this machine" if trials else "not yet corrected"
        _wrapped(f"predicted, with 90 % bands, {own}; {UNKNOWN} where nothing can be said")
    if changed:
        _wrapped(f"and {changed} more with one knob or speculation changed, all in --json")
    reasons: dict[str, list[Rejection]] = {}
    for entry in ledger(plan.rejected):
        reasons.setdefault(entry.rejection.reason.value, []).append(entry.rejection)
    for reason, found in reasons.items():
        first = found[0]
        sides = f" (has {first.have}; needs {first.need})" if first.have and first.need else ""
        _wrapped(f"{len(found):>5}  {reason}; e.g. {first.variant.label}: {first.detail}{sides}", 7)


def _print_laid(laid: Laid) -> None:
    for lines in (laid.header, *laid.rows):
        _print_lines(lines)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)


def _width() -> int:
    return min(WIDTH, terminal_width() or WIDTH)


def _wrapped(text: str, indent: int = 2) -> None:
    """Lines of at most `_width()`, those after the first indented; wide gaps are kept."""
    width = _width()
    line = ""
    for word in text.split(" "):
        if line.strip() and len(line) + 1 + len(word) > width:
            typer.echo(line.rstrip())
            line = " " * indent + word
        else:
            line = f"{line} {word}" if line or not word else word
    typer.echo(line.rstrip())
