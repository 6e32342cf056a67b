"""What to do when nothing passes."""

import random

import pytest

from paceline.rank.advice import advise, limit_that_passes
from paceline.rank.choose import Candidate
from paceline.rank.filter import Measured, judge
from paceline.rank.pool import Pooled
from paceline.records.measurement import Interval, Metric, Verdict
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_variant, a_workload

LIMITS = ("ttft p95 <= 100ms", "output_tokens_per_s >= 500")


def within(lo: float, hi: float) -> Metric:
    return Metric(value=(lo + hi) / 2, unit="", ci95=Interval(lo=lo, hi=hi), n=100)


def a_candidate(
    engine: str, ttft: tuple[float, float], tokens: tuple[float, float], doubt: str | None = None
) -> Candidate:
    measured = Measured(
        pooled=Pooled(
            variant=a_variant(engine),
            metrics={"ttft_p95_ms": within(*ttft), "output_tokens_per_s": within(*tokens)},
            quality=None,
            unsound=doubt,
            set_aside=(),
            trials=1,
        ),
        baseline=None,
        comparison=None,
        workload=a_workload(),
    )
    return Candidate(
        measured=measured,
        judgements=tuple(judge(parse_constraint(text), measured) for text in LIMITS),
        objective=None,
        cost=None,
        doubt=doubt,
    )


FAST = a_candidate("fast", (138, 151.2), (600, 700))
FASTER = a_candidate("faster", (200, 220), (600, 700))
WEAK = a_candidate("weak", (50, 60), (411.3, 420))
BAD = a_candidate("bad", (900, 990), (10, 20))


def test_nothing_is_advised_when_something_passes_or_nothing_was_measured() -> None:
    assert advise([BAD, a_candidate("good", (50, 60), (600, 700))]) == ()
    assert advise([]) == ()


def test_the_constraint_that_frees_the_most_binds_and_has_its_price() -> None:
    first, second = advise([BAD, WEAK, FASTER, FAST])
    assert first.constraint == "ttft p95 <= 100ms"
    assert first.nearest_variant == a_variant("fast").id
    assert first.text == (
        "`ttft p95 <= 100ms` binds: 2 of 4 variants fail nothing else; nearest is fast bf16 "
        "with 144.6 ms; `ttft p95 <= 152ms` instead of 100 ms (+52.0%) admits fast bf16"
    )
    assert first.relaxed == "ttft p95 <= 152ms"
    assert first.relaxed_by == pytest.approx(0.52)
    assert second.constraint == "output_tokens_per_s >= 500 tokens/s"
    assert second.relaxed == "output_tokens_per_s >= 411 tokens/s"
    assert second.relaxed_by == pytest.approx(-0.178)
    assert "admits weak bf16" in second.text


def test_between_equals_the_smallest_miss_binds() -> None:
    assert advise([FAST, WEAK])[0].constraint == "output_tokens_per_s >= 500 tokens/s"


def test_when_no_single_constraint_decides_the_nearest_and_all_it_needs_are_named() -> None:
    (only,) = advise([BAD])
    assert only.nearest_variant == a_variant("bad").id
    assert "`ttft p95 <= 990ms`" in only.text
    assert "`output_tokens_per_s >= 10tokens/s`" in only.text.replace("10 tokens", "10tokens")


def test_an_unresolved_variant_is_said_to_be_open() -> None:
    close = a_candidate("close", (90, 110), (600, 700))
    assert close.standing is Verdict.UNRESOLVED
    advice = advise([close, FAST])
    assert "unresolved" in advice[0].text
    assert "ttft p95 <= 100ms" in advice[0].text
    assert advice[0].nearest_variant == close.variant.id
    assert advice[1].constraint == "ttft p95 <= 100ms"


def test_a_relaxed_limit_is_met_by_the_whole_interval_and_is_near() -> None:
    chance = random.Random(10)
    for _ in range(300):
        lo = chance.uniform(101, 5000)
        hi = lo * chance.uniform(1.0, 1.3)
        candidate = a_candidate("x", (lo, hi), (lo / 100, hi / 100))
        for judgement in candidate.judgements:
            relaxed = limit_that_passes(judgement)
            assert relaxed is not None
            assert judge(relaxed, candidate.measured).verdict.verdict is Verdict.PASS
            edge = hi if relaxed.comparison.wants_less else lo / 100
            assert relaxed.limit == pytest.approx(edge, rel=0.011)


def test_the_price_is_the_least_limit_and_not_that_of_the_least_mean() -> None:
    wide = a_candidate("wide", (110, 170), (600, 700))
    narrow = a_candidate("narrow", (141, 143), (600, 700))
    (only,) = advise([wide, narrow])
    assert (only.nearest_variant, only.relaxed) == (narrow.variant.id, "ttft p95 <= 143ms")


def test_a_variant_that_is_open_on_another_limit_has_no_price_of_its_own() -> None:
    open_too = a_candidate("open", (138, 151.2), (450, 550))
    (only,) = advise([open_too])
    assert only.relaxed is None
    assert "`ttft p95 <= 152ms` would be met, others stay open" in only.text


def test_figures_under_a_doubt_have_no_price() -> None:
    doubted = a_candidate("doubted", (101, 102), (600, 700), doubt="contended")
    prices = [advice.relaxed for advice in advise([doubted, FAST])]
    assert prices == [None, "ttft p95 <= 152ms"]


def test_no_price_is_named_where_the_measurement_has_no_bound() -> None:
    bare = Candidate(
        measured=FAST.measured,
        judgements=tuple(
            type(judgement)(verdict=judgement.verdict, bounds=None) for judgement in FAST.judgements
        ),
        objective=None,
        cost=None,
        doubt=None,
    )
    (only,) = advise([bare])
    assert "would be met" not in only.text
    assert only.relaxed is None
    assert "nearest is fast bf16" in only.text
