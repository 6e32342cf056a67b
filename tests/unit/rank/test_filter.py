"""Constraint × figures → verdict."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from paceline.rank.filter import Measured, judge
from paceline.rank.pool import Pooled
from paceline.records.measurement import Interval, Metric, Verdict
from paceline.records.quality import QualityComparison
from paceline.records.ranking import ConstraintVerdict
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_variant, a_workload


def pooled(engine: str = "fake", unsound: str | None = None, **metrics: Metric) -> Pooled:
    return Pooled(
        variant=a_variant(engine),
        metrics=metrics,
        quality=None,
        unsound=unsound,
        set_aside=(),
        trials=1,
    )


def verdict(
    text: str,
    subject: Pooled,
    *,
    baseline: Pooled | None = None,
    comparison: QualityComparison | None = None,
    rate_rps: float | None = None,
    paired: Mapping[str, QualityComparison] | None = None,
) -> ConstraintVerdict:
    measured = Measured(
        pooled=subject,
        baseline=baseline,
        comparison=comparison,
        workload=a_workload(rate_rps=rate_rps),
    )
    measured = replace(measured, **(paired or {}))  # type: ignore[arg-type]  # fields of Measured
    return judge(parse_constraint(text), measured).verdict


def within(lo: float, hi: float, unit: str = "ms") -> Metric:
    return Metric(value=(lo + hi) / 2, unit=unit, ci95=Interval(lo=lo, hi=hi), n=100)


@pytest.mark.parametrize(
    ("lo", "hi", "operator", "expected"),
    [
        (100, 150, "<=", Verdict.PASS),
        (100, 200, "<=", Verdict.PASS),
        (100, 200, "<", Verdict.UNRESOLVED),
        (150, 250, "<=", Verdict.UNRESOLVED),
        (200, 250, "<=", Verdict.UNRESOLVED),
        (200, 250, "<", Verdict.FAIL),
        (201, 250, "<=", Verdict.FAIL),
        (201, 250, ">=", Verdict.PASS),
        (200, 250, ">", Verdict.UNRESOLVED),
        (100, 150, ">=", Verdict.FAIL),
    ],
)
def test_the_whole_interval_decides(lo: float, hi: float, operator: str, expected: Verdict) -> None:
    found = verdict(f"ttft p95 {operator} 200ms", pooled(ttft_p95_ms=within(lo, hi)))
    assert found.verdict is expected


def test_a_verdict_agrees_with_every_value_in_its_interval() -> None:
    chance = random.Random(9)
    for _ in range(500):
        lo, hi = sorted(chance.uniform(50, 350) for _ in range(2))
        constraint = parse_constraint(f"ttft p95 {chance.choice(['<=', '<', '>=', '>'])} 200ms")
        found = verdict(constraint.text, pooled(ttft_p95_ms=within(lo, hi)))
        holds = {constraint.comparison.holds(lo + (hi - lo) * k / 20, 200.0) for k in range(21)}
        expected = {
            Verdict.PASS: {True},
            Verdict.FAIL: {False},
            Verdict.UNRESOLVED: {True, False},
        }
        assert holds == expected[found.verdict]


def test_the_margin_is_a_share_of_the_limit_and_positive_when_it_passes() -> None:
    fast = verdict("ttft p95 <= 200ms", pooled(ttft_p95_ms=within(140, 160)))
    assert fast.margin == pytest.approx(0.25)
    slow = verdict("output_tokens_per_s >= 500", pooled(output_tokens_per_s=within(390, 410)))
    assert slow.margin == pytest.approx(-0.2)
    assert slow.value == pytest.approx(400.0)
    assert "400 tokens/s against 500 tokens/s" in slow.because


def test_what_was_not_measured_is_unresolved_and_says_so() -> None:
    found = verdict("goodput >= 3", pooled())
    assert (found.verdict, found.value, found.margin) == (Verdict.UNRESOLVED, None, None)
    assert "goodput_requests_per_s was not measured" in found.because


def test_too_few_samples_can_fail_but_never_pass() -> None:
    bare = Metric(value=5000.0, unit="ms", ci95=None, n=12)
    subject = pooled(ttft_p95_ms=bare, ttft_p50_ms=within(4000, 4500))
    assert verdict("ttft p95 <= 200ms", subject).verdict is Verdict.FAIL
    assert verdict("ttft p95 <= 9s", subject).verdict is Verdict.UNRESOLVED
    alone = verdict("ttft p95 <= 200ms", pooled(ttft_p95_ms=bare))
    assert alone.verdict is Verdict.UNRESOLVED
    assert "too few samples" in alone.because


def test_a_load_that_cannot_be_trusted_gives_no_verdict_but_memory_does() -> None:
    subject = pooled(
        unsound="contended",
        ttft_p95_ms=within(10, 20),
        memory_percent=Metric(value=50.0, unit="%", ci95=None, n=1),
    )
    found = verdict("ttft p95 <= 200ms", subject)
    assert (found.verdict, found.because) == (Verdict.UNRESOLVED, "contended")
    assert found.value == 15.0
    assert verdict("memory <= 80%", subject).verdict is Verdict.PASS


def test_more_failures_than_the_statistic_forgives_fail_it() -> None:
    failing = Metric(value=0.08, unit="", ci95=None, n=1000)
    subject = pooled(ttft_p95_ms=within(10, 20), ttft_p50_ms=within(9, 12), failed_share=failing)
    found = verdict("ttft p95 <= 200ms", subject)
    assert found.verdict is Verdict.FAIL
    assert "8.00% of 1000 requests failed; p95 forgives 5%" in found.because
    assert verdict("ttft p50 <= 200ms", subject).verdict is Verdict.PASS
    assert verdict("failed_share <= 10%", subject).verdict is Verdict.PASS
    assert verdict("failed_share <= 0", subject).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("failed", "asked", "p99_ms", "expected"),
    [
        (0, 1000, 300.0, Verdict.PASS),
        (10, 1000, 150.0, Verdict.PASS),  # at most 1.8 % fail: p95 of all is below p99 of the rest
        (10, 1000, 300.0, Verdict.UNRESOLVED),
        (45, 1000, 150.0, Verdict.UNRESOLVED),  # perhaps 6 % fail in the long run
        (55, 1000, 150.0, Verdict.UNRESOLVED),  # and here perhaps 4.2 %
        (80, 1000, 150.0, Verdict.FAIL),
        (1, 19, 150.0, Verdict.UNRESOLVED),
    ],
)
def test_failed_requests_are_the_slowest_of_all(
    failed: int, asked: int, p99_ms: float, expected: Verdict
) -> None:
    subject = pooled(
        ttft_p95_ms=within(100, 190),
        ttft_p99_ms=within(p99_ms - 10, p99_ms),
        failed_share=Metric(value=failed / asked, unit="", ci95=None, n=asked),
    )
    assert verdict("ttft p95 <= 200ms", subject).verdict is expected


@pytest.mark.parametrize(
    ("failed", "asked", "limit", "expected"),
    [
        (0, 1000, "1%", Verdict.PASS),
        (0, 100, "1%", Verdict.UNRESOLVED),  # up to 3.6 % in the long run
        (0, 100, "0", Verdict.PASS),  # no number of requests could show it of the long run
        (1, 100, "0", Verdict.FAIL),
        (1, 100, "0.5%", Verdict.UNRESOLVED),
        (50, 1000, "1%", Verdict.FAIL),
    ],
)
def test_the_failed_share_is_judged_by_its_interval_as_in_a_load_test(
    failed: int, asked: int, limit: str, expected: Verdict
) -> None:
    share = Metric(value=failed / asked, unit="", ci95=None, n=asked)
    found = verdict(f"failed_share <= {limit}", pooled(failed_share=share))
    assert found.verdict is expected
    assert ("requests in one window would settle it" in found.because) is (
        expected is Verdict.UNRESOLVED
    )


def test_a_mean_holds_with_every_failed_request_at_its_time_out_or_not_for_sure() -> None:
    def judged(failed: float) -> Verdict:
        subject = pooled(
            e2e_mean_ms=within(100, 190),
            failed_share=Metric(value=failed, unit="", ci95=None, n=100_000),
        )
        return verdict("e2e mean <= 200ms", subject).verdict

    assert judged(0.0) is Verdict.PASS
    assert judged(1e-5) is Verdict.PASS  # 300 s / 100,000 = 3 ms
    assert judged(1e-3) is Verdict.UNRESOLVED


def test_open_loop_is_judged_on_scheduled_times() -> None:
    subject = pooled(ttft_p95_ms=within(10, 20), scheduled_ttft_p95_ms=within(900, 999))
    assert verdict("ttft p95 <= 200ms", subject).verdict is Verdict.PASS
    assert verdict("ttft p95 <= 200ms", subject, rate_rps=2.0).verdict is Verdict.FAIL


PAIRED = QualityComparison(
    ratio=0.985,
    ratio_ci95=Interval(lo=0.975, hi=0.995),
    difference=-0.01,
    difference_ci95=Interval(lo=-0.02, hi=0.0),
    p_value=0.2,
    lost=(),
    gained=(),
)


class TestRelative:
    def test_quality_is_judged_by_the_paired_ratio(self) -> None:
        subject = pooled(quality=a_metric(0.8, "", spread=0.3))
        baseline = pooled("transformers", quality=a_metric(0.81, "", spread=0.3))
        for limit, expected in (("0.97x", "pass"), ("0.98x", "unresolved"), ("1x", "fail")):
            found = verdict(f"quality >= {limit}", subject, baseline=baseline, comparison=PAIRED)
            assert found.verdict == expected
            assert found.value == 0.985
        unpaired = verdict("quality >= 0.97x", subject, baseline=baseline)
        assert unpaired.verdict is Verdict.UNRESOLVED

    @pytest.mark.parametrize(
        ("metric", "paired"),
        [
            ("quality(mine)", "own_comparison"),
            ("quality(load)", "full_comparison"),
            ("quality(long)", "long_comparison"),
        ],
    )
    def test_every_kind_of_quality_has_a_comparison_of_its_own(
        self, metric: str, paired: str
    ) -> None:
        figure = a_metric(0.8, "", spread=0.01)
        subject, baseline = (
            pooled(
                engine, quality_mine=figure, quality_under_load=figure, quality_long_context=figure
            )
            for engine in ("fake", "transformers")
        )
        mine = {paired: PAIRED}
        found = verdict(f"{metric} >= 0.95x", subject, baseline=baseline, paired=mine)
        assert (found.verdict, found.value) == (Verdict.PASS, PAIRED.ratio)
        assert verdict(f"{metric} >= 0.7", subject).verdict is Verdict.PASS
        assert verdict(f"{metric} >= 0.9", subject).verdict is Verdict.FAIL
        others = {"comparison": PAIRED, "loaded_comparison": PAIRED}
        unpaired = verdict(f"{metric} >= 0.95x", subject, baseline=baseline, paired=others)
        assert unpaired.verdict is Verdict.UNRESOLVED

    def test_other_figures_are_judged_by_the_ratio_of_their_bounds(self) -> None:
        subject = pooled(output_tokens_per_s=within(300, 330))
        baseline = pooled("transformers", output_tokens_per_s=within(90, 100))
        for limit, expected in (("3x", "pass"), ("3.3x", "unresolved"), ("3.7x", "fail")):
            found = verdict(f"output_tokens_per_s >= {limit}", subject, baseline=baseline)
            assert found.verdict == expected
            assert f"3.316x against {limit}" in found.because

    def test_the_baseline_is_itself_exactly(self) -> None:
        baseline = pooled("transformers", output_tokens_per_s=within(50, 150))
        found = verdict("output_tokens_per_s >= 1x", baseline, baseline=baseline)
        assert (found.verdict, found.value) == (Verdict.PASS, 1.0)
        assert verdict("output_tokens_per_s >= 2x", baseline, baseline=baseline).verdict == "fail"

    @pytest.mark.parametrize(
        ("baseline", "word"),
        [
            (None, "no finished trial"),
            (pooled("transformers"), "no figure to compare with"),
            (
                pooled("transformers", "client-bound", output_tokens_per_s=within(90, 100)),
                "client-bound",
            ),
            (pooled("transformers", output_tokens_per_s=within(0, 0)), "is 0"),
        ],
    )
    def test_without_a_sound_baseline_nothing_is_decided(
        self, baseline: Pooled | None, word: str
    ) -> None:
        subject = pooled(output_tokens_per_s=within(300, 330))
        found = verdict("output_tokens_per_s >= 3x", subject, baseline=baseline)
        assert (found.verdict, found.value) == (Verdict.UNRESOLVED, None)
        assert word in found.because


@pytest.mark.parametrize(
    ("text", "added_ms", "expected"),
    [
        ("ttft p95 <= 200ms", 20.0, Verdict.FAIL),  # 251 − 20 is still above 200
        ("ttft p95 <= 200ms", 51.0, Verdict.UNRESOLVED),
        ("ttft p95 <= 200ms", None, Verdict.UNRESOLVED),
        ("ttft p95 <= 400ms", 20.0, Verdict.UNRESOLVED),  # a doubtful client never proves a pass
        ("ttft p95 >= 400ms", 20.0, Verdict.UNRESOLVED),
        ("ttft max <= 200ms", 20.0, Verdict.UNRESOLVED),  # one request in a hundred waited longer
        ("output_tokens_per_s >= 500", 20.0, Verdict.UNRESOLVED),
    ],
)
def test_a_miss_that_the_client_cannot_explain_is_a_miss(
    text: str, added_ms: float | None, expected: Verdict
) -> None:
    slow = pooled(
        unsound="client-bound",
        ttft_p95_ms=within(251, 300),
        ttft_max_ms=Metric(value=300.0, unit="ms", ci95=None, n=100),
        output_tokens_per_s=within(100, 110, "tokens/s"),
    )
    subject = replace(slow, client_added_ms=added_ms)
    found = verdict(text, subject)
    assert found.verdict is expected
    assert ("the client added at most 20 ms" in found.because) is (expected is Verdict.FAIL)
