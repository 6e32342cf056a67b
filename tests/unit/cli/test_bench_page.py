"""The page and the text of a report: complete, self-contained, and safe against odd names."""

import io
import re
from html.parser import HTMLParser

import pytest

from paceline.app.bench import BenchReport, run_bench
from paceline.app.bench_request import BenchOptions, bench_request
from paceline.app.wiring import Workshop
from paceline.cli.bench_page import bench_page
from paceline.cli.bench_text import headline, print_bench, probe_rows, two_digits, verdict_rows
from paceline.cli.bench_view import BenchView, LiveNumbers
from paceline.records.load import LoadProgress
from paceline.records.samples import Outcome
from paceline.testing.simulated_load import SimulatedLoad

NAME = 'a<script>alert("x")</script>'
VOID = {"meta", "rect", "line", "path", "circle", "br"}


class Balance(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def report(
    *, find_max: bool = True, rate: float | None = None, view: BenchView | None = None
) -> BenchReport:
    shop = Workshop.__new__(Workshop)
    shop.__dict__ |= {"load": SimulatedLoad(4), "telemetry": ()}
    options = BenchOptions(
        url="http://h:1",
        model=NAME,
        api_key="secret",
        find_max=find_max,
        rate=rate,
        concurrency=None if rate or find_max else 4,
        requests=200,
        constraint=("ttft p95 <= 100ms", "goodput >= 1") if not find_max else ("ttft p95 <= 0.1s",),
    )
    watch = view or BenchView(io.StringIO())
    return run_bench(bench_request(options), shop, watch, lambda: False)


@pytest.mark.parametrize(
    ("made", "charts"),
    [(report(), 10), (report(find_max=False), 7), (report(find_max=False, rate=10.0), 7)],
    ids=["search", "closed", "open"],
)
def test_the_page_is_whole_and_needs_nothing_else(made: BenchReport, charts: int) -> None:
    page = bench_page(made, made_at="today")
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert balance.seen.count("svg") == charts
    assert "script" not in balance.seen
    assert not re.search(r'(?:src|href|url\()\s*=?\s*["\']?(?:https?:)?//', page)
    assert "secret" not in page
    assert len(page) < 400_000


def test_the_page_of_a_search_shows_the_answer_and_every_probe() -> None:
    made = report()
    page = bench_page(made, made_at="today")
    assert "highest load: 4 in flight; 4 passes and 5 fails" in page
    assert len(probe_rows(made)) == len(made.points)
    assert "Throughput against latency" in page


def test_the_text_has_the_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    made = report()
    print_bench(made)
    out = capsys.readouterr().out
    assert out.splitlines()[0] == headline(made)[0]
    assert "TTFT" in out
    assert "event loop lag p99" in out


def test_verdicts_are_told_with_their_reason() -> None:
    made = report(find_max=False)
    assert made.shown is not None
    texts = [row[:2] for row in verdict_rows(made.shown)]
    assert texts == [("ttft p95 <= 100ms", "pass"), ("goodput >= 1 requests/s", "pass")]


def test_without_a_terminal_the_view_prints_plain_lines() -> None:
    stream = io.StringIO()
    report(view=BenchView(stream))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "probe 1: " in text
    assert "requests/s" in text


def progress(second: float, ok: int, *, failed: int = 0) -> LoadProgress:
    return LoadProgress(
        elapsed_s=second,
        in_flight=3,
        started=ok + failed + 3,
        ok=ok,
        failed=failed,
        output_chunks=10 * ok,
        recent_ttft_ms=(100.0, 200.0),
        recent_tpot_ms=(),
        recent_e2e_ms=(),
        failures={"reset": failed} if failed else {},
    )


@pytest.mark.parametrize(
    ("width", "shown"), [(2437.0, "2,400"), (118.2, "120"), (0.00731, "0.0073"), (0.0, "0")]
)
def test_a_width_has_two_digits_and_no_exponent(width: float, shown: str) -> None:
    assert two_digits(width) == shown


def test_live_numbers_move_with_the_last_seconds() -> None:
    numbers = LiveNumbers()
    assert numbers.rows() == [("state", "warming up")]
    for second in range(10):
        numbers.add(progress(float(second), ok=second * (1 if second < 6 else 2), failed=second))
    rows = dict(numbers.rows())
    assert rows["rate"] == "2 requests/s, 20 chunks/s"
    assert rows["in flight"] == "3"
    assert rows["TTFT"].startswith("p50 150")
    assert rows["TPOT"] == "–"
    assert rows["errors"] == "9 reset"
    assert "rate 2 requests/s" in numbers.line()


def test_a_test_without_a_single_answer_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    load = SimulatedLoad()
    load.outcome = Outcome.TIMED_OUT
    shop = Workshop.__new__(Workshop)
    shop.__dict__ |= {"load": load, "telemetry": ()}
    options = BenchOptions(
        url="http://h",
        model="m",
        rate=5.0,
        requests=100,
        constraint=["ttft p95 <= 1s", "goodput >= 1"],
    )
    made = run_bench(bench_request(options), shop, BenchView(io.StringIO()), lambda: False)
    print_bench(made)
    assert "0 answered, 100 failed (100 timed-out), 0 unfinished" in capsys.readouterr().out
    assert made.shown is not None
    assert {row[1] for row in verdict_rows(made.shown)} == {"fail"}
    assert "<svg" in bench_page(made, made_at="today")
