"""A load test as one self-contained HTML page: no script, no font or file from elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

import orjson

from paceline.app.bench import BenchPoint, BenchReport
from paceline.app.bench_document import level_name, request_document
from paceline.cli.bench_charts import latency_charts, load_charts, search_charts, timeline_charts
from paceline.cli.bench_text import (
    AGREEMENT_COLUMNS,
    LATENCY_COLUMNS,
    PROBE_COLUMNS,
    STAGE_COLUMNS,
    VERDICT_COLUMNS,
    agreement_rows,
    client_rows,
    headline,
    latency_rows,
    probe_rows,
    stage_rows,
    telemetry_rows,
    verdict_rows,
)
from paceline.cli.html import cards, page, section, table, tiles

LATENCY_CAPTION: Final = "Milliseconds; ± is the 95 % interval of the mean."
WORDS: Final = frozenset({"why", "what", "value", "verdict", "agree"})
"""Columns of words; in all others are numbers."""
SEARCH_LEGEND: Final = (
    '<p class="soft">One dot per level, its last probe: <b class="pass">passed</b>,'
    ' <b class="fail">failed</b>, <b class="unresolved">open</b>'
    " (unresolved or limited by the client).</p>"
)


def bench_page(report: BenchReport, *, made_at: str) -> str:
    """The whole page. `made_at` is a date for people."""
    shown = report.shown
    if shown is None:
        raise ValueError("nothing was measured, so there is nothing to show")
    target = report.request.target
    about = f"{target.base_url} · {target.route.value} · {made_at}"
    body = "".join(
        (
            f"<h1>{escape(target.model)}: load test</h1>",
            f'<p class="soft">{escape(about)}</p>',
            *(f"<p>{escape(line)}</p>" for line in headline(report)),
            _tiles(shown),
            *_sections(report, shown),
        )
    )
    return page(f"{target.model}: load test", body)


def _sections(report: BenchReport, shown: BenchPoint) -> Iterator[str]:
    if shown.verdicts:
        yield section("Constraints", _table(VERDICT_COLUMNS, verdict_rows(shown)))
    if report.max_load is not None:
        unit = level_name(report.request)
        yield section("Throughput against latency", cards(search_charts(report)) + SEARCH_LEGEND)
        yield section("Probes", _table((unit, *PROBE_COLUMNS), probe_rows(report)))
    yield section("Latency", cards(latency_charts(report, shown)))
    yield _table(LATENCY_COLUMNS, latency_rows(shown), caption=LATENCY_CAPTION)
    if shown.stages:
        yield section("Stages", _table(STAGE_COLUMNS, stage_rows(shown)))
    yield section("Over time", cards([*timeline_charts(report, shown), *load_charts(shown)]))
    yield section("Client", _table(("what", "value"), client_rows(shown)))
    yield section("Beside the load", _table(("source", "what", "value"), telemetry_rows(shown)))
    if shown.agreement:
        yield section("Client against server", _table(AGREEMENT_COLUMNS, agreement_rows(shown)))
    if shown.notes:
        yield section("Notes", "".join(f"<p>{escape(note)}</p>" for note in shown.notes))
    asked = orjson.dumps(_without_nothing(request_document(report.request))).decode()
    yield section("Asked for", f'<div class="card"><pre>{escape(asked)}</pre></div>')


def _tiles(shown: BenchPoint) -> str:
    summary = shown.summary
    ttft_ms, tpot_ms = summary.ttft_ms.p95, summary.tpot_ms.mean
    figures = [
        ("requests/s", f"{summary.requests_per_s:,.4g}"),
        ("output tokens/s", f"{summary.output_tokens_per_s:,.5g}"),
        ("TTFT p95", "–" if ttft_ms is None else f"{ttft_ms:,.4g} ms"),
        ("TPOT mean", "–" if tpot_ms is None else f"{tpot_ms:,.4g} ms"),
        ("answered", f"{summary.ok:,} of {summary.ok + summary.failed:,}"),
        ("client", shown.client.verdict.value),
    ]
    return tiles(figures)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "") -> str:
    return table(columns, rows, words=WORDS, caption=caption)


def _without_nothing(document: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if value not in (None, [], 0)}
