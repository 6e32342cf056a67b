"""Promote, roll back, or wait."""

import random
from dataclasses import replace

import pytest

from paceline.deploy.canary import Judgement, LatencyLimit, Observed, Verdict, judge
from paceline.records.deployment import Canary

PLAN = Canary(share=0.05, at_least_s=60.0, requests=50)


def observed(answered: int, failed: int = 0, *, ttft_s: float = 0.1, seed: int = 0) -> Observed:
    chance = random.Random(seed)
    return Observed(
        answered=answered,
        failed=failed,
        ttft_s=tuple(ttft_s * chance.uniform(0.8, 1.2) for _ in range(answered)),
    )


STABLE = observed(998, 2)


def found(
    canary: Observed,
    *,
    served_s: float = 120.0,
    limit_s: float | None = None,
    probe_failed: str | None = None,
    stable: Observed = STABLE,
) -> Judgement:
    limits = () if limit_s is None else (LatencyLimit(share=0.95, limit_s=limit_s),)
    return judge(canary, stable, PLAN, served_s=served_s, limits=limits, probe_failed=probe_failed)


def test_as_good_as_before_it_is_promoted() -> None:
    assert found(observed(200)).verdict is Verdict.PROMOTE


@pytest.mark.parametrize(("answered", "served_s"), [(49, 120.0), (200, 59.0)])
def test_with_too_little_it_waits_and_says_what_is_missing(answered: int, served_s: float) -> None:
    judgement = found(observed(answered), served_s=served_s)
    assert judgement.verdict is Verdict.WAIT
    assert f"{answered} of 50 requests" in judgement.because


def test_failures_beyond_chance_end_it_at_once() -> None:
    judgement = found(observed(6, 4), served_s=5.0)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert judgement.because == "4 of 10 requests failed, 2 of 1000 on the old version"


def test_one_failure_early_is_no_reason() -> None:
    assert found(observed(30, 1), served_s=5.0).verdict is Verdict.WAIT


def test_failures_that_are_more_at_the_end_do_not_go_live() -> None:
    assert found(observed(97, 3)).verdict is Verdict.ROLL_BACK


def test_an_old_version_that_fails_as_often_excuses_it() -> None:
    bad = observed(900, 100)
    assert found(observed(90, 10), stable=bad).verdict is Verdict.PROMOTE


def test_slower_than_its_limit_for_sure_ends_it_early() -> None:
    judgement = found(observed(100, ttft_s=0.5), served_s=5.0, limit_s=0.3)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert "limit 0.300 s" in judgement.because


def test_without_a_limit_it_may_not_be_half_again_as_slow_as_before() -> None:
    assert found(observed(200, ttft_s=0.13)).verdict is Verdict.PROMOTE
    assert found(observed(200, ttft_s=0.2)).verdict is Verdict.ROLL_BACK


def whole(count: int, *, slower: float = 1.0, seed: int = 0) -> Observed:
    """Answers without a stream, long and short ones as chats have them."""
    chance = random.Random(seed)
    return Observed(
        answered=count,
        failed=0,
        e2e_s=tuple(slower * chance.lognormvariate(0.0, 0.8) for _ in range(count)),
    )


def test_whole_answers_may_not_take_half_again_as_long_as_before() -> None:
    stable = whole(1000, seed=1)
    judgement = found(whole(200, slower=4.0), stable=stable, served_s=5.0)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert judgement.because.startswith("e2e of whole answers p95 is ")
    assert found(whole(200), stable=stable).verdict is Verdict.PROMOTE


def test_limits_on_the_first_token_do_not_excuse_slow_whole_answers() -> None:
    slow = whole(200, slower=4.0)
    assert found(slow, stable=whole(1000, seed=1), limit_s=0.3).verdict is Verdict.ROLL_BACK


def test_too_few_whole_answers_say_nothing() -> None:
    few = replace(observed(50), e2e_s=(100.0,) * 19)
    assert found(few, stable=whole(1000)).verdict is Verdict.PROMOTE
    many = replace(observed(50), e2e_s=(100.0,) * 20)
    assert found(many, stable=whole(19)).verdict is Verdict.PROMOTE
    assert found(many, stable=whole(20)).verdict is Verdict.ROLL_BACK


def test_long_and_short_answers_rarely_roll_a_good_one_back() -> None:
    verdicts = [
        found(whole(50, seed=seed), stable=whole(950, seed=1000 + seed)).verdict
        for seed in range(100)
    ]
    assert verdicts.count(Verdict.ROLL_BACK) <= 5


def test_wrong_answers_end_it_whatever_the_rest_says() -> None:
    judgement = found(observed(200), probe_failed="1 of 8 answers are right")
    assert judgement.verdict is Verdict.ROLL_BACK
    assert "quality" in judgement.because


def test_chance_alone_rarely_rolls_a_good_one_back() -> None:
    wrong = 0
    for seed in range(100):
        chance = random.Random(seed)
        failed = sum(chance.random() < 0.002 for _ in range(100))
        stable_failed = sum(chance.random() < 0.002 for _ in range(2000))
        judgement = found(
            observed(100 - failed, failed, seed=seed),
            stable=observed(2000 - stable_failed, stable_failed, seed=seed + 1),
        )
        wrong += judgement.verdict is Verdict.ROLL_BACK
    assert wrong <= 5
