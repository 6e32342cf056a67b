"""Every form and every contradiction of the options, without an endpoint."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from paceline.app.bench_request import BenchOptions, bench_request
from paceline.errors import Code, SpecError
from paceline.records.load import Route
from paceline.records.load_plan import Arrivals, LengthKind, Stage
from paceline.trial.arrivals import plan_load

Given = Mapping[str, object]
LIMIT = ("ttft p95 <= 200ms",)


def options(**given: object) -> BenchOptions:
    return BenchOptions(**{"url": "http://h:1", "model": "m", **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, Code.BAD_OPTION),
        ({"concurrency": 4, "rate": 2.0}, Code.CONTRADICTION),
        ({"concurrency": 4, "trace": Path("t")}, Code.CONTRADICTION),
        ({"rate": 2.0, "stages": "4@3s"}, Code.CONTRADICTION),
        ({"concurrency": 4, "arrivals": "poisson"}, Code.CONTRADICTION),
        ({"concurrency": 4, "max_in_flight": 2}, Code.CONTRADICTION),
        ({"concurrency": 4, "concurrency_bounds": "1:8"}, Code.CONTRADICTION),
        ({"stages": "4@3s", "duration": "9s"}, Code.CONTRADICTION),
        ({"stages": "4@3s", "find_max": True, "constraint": LIMIT}, Code.CONTRADICTION),
        ({"rate": 1.0, "dataset": Path("d"), "input_tokens": "8"}, Code.CONTRADICTION),
        ({"trace": Path("t"), "output_tokens": "8"}, Code.CONTRADICTION),
        ({"find_max": True}, Code.BAD_OPTION),
        ({"concurrency": 4, "url": "notaurl"}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": LIMIT, "warmup": 4}, Code.CONTRADICTION),
        ({"find_max": True, "constraint": LIMIT, "max_probes": 0}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": LIMIT, "rate_bounds": "9:3"}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": LIMIT, "rate_bounds": "9"}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": LIMIT, "concurrency_bounds": "1.5:3"}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": LIMIT, "concurrency_bounds": "x:3"}, Code.BAD_OPTION),
        (
            {
                "find_max": True,
                "constraint": LIMIT,
                "concurrency": 64,
                "concurrency_bounds": "1:8",
            },
            Code.CONTRADICTION,
        ),
        ({"find_max": True, "constraint": LIMIT, "concurrency": 0}, Code.BAD_OPTION),
        ({"find_max": True, "constraint": ("requests_per_s >= 5",)}, Code.BAD_CONSTRAINT),
        ({"concurrency": 4, "constraint": ("quality >= 0.9",)}, Code.BAD_CONSTRAINT),
        ({"concurrency": 4, "constraint": ("ttft p95 <= 1.1x",)}, Code.BAD_CONSTRAINT),
        (
            {"concurrency": 4, "constraint": ("ttft p95 <= 1s", "ttft p50 >= 2s")},
            Code.CONTRADICTION,
        ),
        ({"rate": float("inf")}, Code.BAD_OPTION),
        ({"rate": 2.0, "arrivals": "uniform"}, Code.UNKNOWN_NAME),
        ({"rate": 2.0, "arrivals": "gamma"}, Code.BAD_OPTION),
        ({"rate": 2.0, "arrivals": "gamma:0"}, Code.BAD_OPTION),
        ({"rate": 2.0, "arrivals": "poisson:2"}, Code.BAD_OPTION),
        ({"concurrency": 4, "route": "chatter"}, Code.UNKNOWN_NAME),
        ({"concurrency": 4, "preset": "chatter"}, Code.UNKNOWN_NAME),
        ({"concurrency": 4, "duration": "soon"}, Code.BAD_OPTION),
        ({"concurrency": 4, "duration": "0s"}, Code.BAD_OPTION),
        ({"concurrency": 4, "stages": None, "shared_prefix": "a:b"}, Code.BAD_OPTION),
        ({"concurrency": 4, "shared_prefix": "512", "input_tokens": "64"}, Code.CONTRADICTION),
        ({"concurrency": 4, "warmup": -1}, Code.BAD_OPTION),
        ({"concurrency": 4, "processes": 0}, Code.BAD_OPTION),
        ({"stages": "4@soon"}, Code.BAD_OPTION),
        ({"stages": "4@3s,5/s@3s"}, Code.BAD_OPTION),
        ({"dataset": Path("/nowhere/at/all"), "rate": 1.0}, Code.BAD_INPUT_FILE),
    ],
)
def test_refuses_what_makes_no_sense(given: Given, code: Code) -> None:
    with pytest.raises(SpecError) as refused:
        bench_request(options(**given))
    assert refused.value.code is code


@pytest.mark.parametrize(
    "given", [{"concurrency": 0}, {"rate": 0.0}, {"rate": -1.0}, {"concurrency": 2, "requests": 0}]
)
def test_a_load_of_nothing_is_refused_when_it_is_drawn(given: Given) -> None:
    request = bench_request(options(**given))
    with pytest.raises(SpecError, match="is not above 0"):
        plan_load(request.shape)


def test_without_an_end_a_load_takes_half_a_minute() -> None:
    shape = bench_request(options(concurrency=4)).shape
    assert (shape.arrivals, shape.duration_s, shape.warmup_requests) == (Arrivals.CLOSED, 30.0, 4)


def test_a_rate_is_poisson_unless_said_otherwise() -> None:
    assert bench_request(options(rate=2.0)).shape.arrivals is Arrivals.POISSON
    shape = bench_request(options(rate=2.0, arrivals="gamma:2.5")).shape
    assert (shape.arrivals, shape.gamma_cv) == (Arrivals.GAMMA, 2.5)


def test_stages_are_levels_in_flight_or_rates() -> None:
    closed = bench_request(options(stages="4@30s, 4..16@1m")).shape
    assert closed.arrivals is Arrivals.CLOSED
    assert closed.stages == (
        Stage(duration_s=30.0, level=4.0),
        Stage(duration_s=60.0, level=4.0, end_level=16.0),
    )
    rates = bench_request(options(stages="5/s@30s", arrivals="constant")).shape
    assert rates.arrivals is Arrivals.CONSTANT


def test_what_is_given_wins_over_the_preset() -> None:
    preset = bench_request(options(concurrency=1, preset="rag")).shape
    assert preset.input_tokens.kind is LengthKind.LOGNORMAL
    assert preset.prefix_tokens > 0
    own = bench_request(options(concurrency=1, preset="rag", input_tokens="64")).shape
    assert (own.input_tokens.mean, own.prefix_tokens) == (64, 0)
    assert own.output_tokens == preset.output_tokens


def test_a_search_starts_where_it_is_told_and_keeps_its_bounds() -> None:
    closed = bench_request(
        options(find_max=True, constraint=LIMIT, concurrency=6, concurrency_bounds="2:")
    )
    assert closed.search is not None
    assert (closed.search.lowest, closed.search.highest, closed.search.start) == (2, None, 6)
    opened = bench_request(options(find_max=True, constraint=LIMIT, rate_bounds=":40"))
    assert opened.search is not None
    assert (opened.search.lowest, opened.search.highest) == (None, 40)
    assert (opened.shape.arrivals, opened.shape.concurrency) == (Arrivals.POISSON, None)


def test_files_are_read_and_a_bad_line_is_named(tmp_path: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("t_s,input_tokens,output_tokens\n1.0,8,4\n2.5,16,4\n")
    shape = bench_request(options(trace=trace)).shape
    assert [row.t_s for row in shape.trace] == [0.0, 1.5]
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "one\u2028text"}\n{"prompt": 7}\n', encoding="utf-8")
    with pytest.raises(SpecError, match="line 2"):
        bench_request(options(dataset=prompts, concurrency=1))


def test_the_route_and_an_empty_key_are_understood() -> None:
    target = bench_request(options(concurrency=1, route="embeddings", api_key="")).target
    assert (target.route, target.api_key) == (Route.EMBEDDINGS, None)
