import pytest

from paceline.deploy.gateway.limits import Bucket, KeyMeter, Reservation, WorkspaceMeter
from paceline.deploy.gateway.problems import Problem
from paceline.records.gateway import WorkspaceRule
from paceline.testing.gateway import key_rule

SMALL = Reservation(tokens=10, usd=0.0)


def refusal(meter: KeyMeter, now_s: float, wanted: Reservation = SMALL) -> Problem:
    problem = meter.admit(now_s, wanted)
    assert problem is not None
    return problem


def test_a_bucket_fills_evenly_and_no_further() -> None:
    bucket = Bucket(60, 0.0)
    bucket.level = 0.0
    assert bucket.lacks(2.0, 3.0)
    assert bucket.level == 2.0 and bucket.wait_s(3.0) == 1.0
    assert not bucket.lacks(1_000.0, 60.0)
    assert bucket.level == 60.0


def test_time_that_goes_back_takes_nothing() -> None:
    bucket = Bucket(60, 100.0)
    bucket.level = 5.0
    assert bucket.lacks(50.0, 6.0)
    assert bucket.level == 5.0


def test_requests_per_minute_say_when_there_is_room() -> None:
    meter = KeyMeter(key_rule(requests_per_min=2), 0.0)
    assert meter.admit(0.0, SMALL) is None
    assert meter.admit(0.0, SMALL) is None
    problem = refusal(meter, 10.0)
    assert (problem.status, problem.retry_after()) == (429, 20)
    assert meter.admit(30.0, SMALL) is None


def test_tokens_are_reserved_and_settled() -> None:
    meter = KeyMeter(key_rule(tokens_per_min=100), 0.0)
    wanted = Reservation(tokens=90, usd=0.0)
    assert meter.admit(0.0, wanted) is None
    assert refusal(meter, 0.0, wanted).code == "rate_limit_exceeded"
    meter.settle(wanted, tokens=5, usd=0.0)
    assert meter.admit(0.0, wanted) is None


def test_a_request_larger_than_a_minute_waits_for_a_full_bucket() -> None:
    meter = KeyMeter(key_rule(tokens_per_min=100), 0.0)
    huge = Reservation(tokens=500, usd=0.0)
    assert meter.admit(0.0, huge) is None
    meter.settle(huge, tokens=160, usd=0.0)
    assert refusal(meter, 0.0).retry_after() == 42, "70 tokens at 100 a minute"


def test_what_is_refused_takes_nothing() -> None:
    meter = KeyMeter(key_rule(requests_per_min=10, tokens_per_min=100), 0.0)
    assert meter.admit(0.0, Reservation(tokens=95, usd=0.0)) is None
    refusal(meter, 0.0)
    assert meter.requests is not None and meter.requests.level == 9.0
    assert meter.in_flight == 1


def test_concurrency_is_given_back_at_the_end() -> None:
    meter = KeyMeter(key_rule(concurrency=1), 0.0)
    assert meter.admit(0.0, SMALL) is None
    assert refusal(meter, 0.0).code == "concurrency_exceeded"
    meter.settle(SMALL, tokens=1, usd=0.0)
    assert meter.admit(0.0, SMALL) is None


def test_a_budget_holds_against_many_requests_at_once() -> None:
    meter = KeyMeter(key_rule(budget_left_usd=1.0), 0.0)
    wanted = Reservation(tokens=0, usd=0.4)
    assert meter.admit(0.0, wanted) is None
    assert meter.admit(0.0, wanted) is None
    assert refusal(meter, 0.0, wanted).status == 402
    meter.settle(wanted, tokens=0, usd=0.1)
    assert meter.admit(0.0, wanted) is None


def test_a_new_table_counts_what_was_spent_once() -> None:
    meter = KeyMeter(key_rule(budget_left_usd=1.0), 0.0)
    wanted = Reservation(tokens=0, usd=0.5)
    meter.admit(0.0, wanted)
    meter.settle(wanted, tokens=0, usd=0.5)
    meter.follow(key_rule(budget_left_usd=0.8), 0.0)  # it has seen 0.2 of our 0.5
    assert meter.admit(0.0, Reservation(tokens=0, usd=0.5)) is None
    assert refusal(meter, 0.0, Reservation(tokens=0, usd=0.1)).status == 402


def test_a_new_month_forgets_what_was_spent() -> None:
    meter = KeyMeter(key_rule(budget_left_usd=0.1), 0.0)
    meter.admit(0.0, Reservation(tokens=0, usd=0.1))
    meter.settle(Reservation(tokens=0, usd=0.1), tokens=0, usd=0.1)
    meter.follow(key_rule(budget_left_usd=5.0), 0.0)
    assert meter.admit(0.0, Reservation(tokens=0, usd=5.0)) is None


def test_a_table_that_changes_a_limit_keeps_what_was_used() -> None:
    meter = KeyMeter(key_rule(requests_per_min=2), 0.0)
    meter.admit(0.0, SMALL)
    meter.follow(key_rule(requests_per_min=4), 0.0)
    assert [meter.admit(0.0, SMALL) for _ in range(3)] == [None] * 3
    assert refusal(meter, 0.0).status == 429


def test_headers_say_what_is_left() -> None:
    meter = KeyMeter(key_rule(requests_per_min=60), 0.0)
    meter.admit(0.0, SMALL)
    assert meter.headers() == (
        b"x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\n"
        b"x-ratelimit-reset-requests: 1000ms\r\n"
    )
    assert KeyMeter(key_rule(), 0.0).headers() == b""


def of_a_workspace(rule: WorkspaceRule, *keys: KeyMeter) -> WorkspaceMeter:
    shared = WorkspaceMeter(rule, 0.0)
    for key in keys:
        key.workspace = shared
    return shared


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (WorkspaceRule(name="w", requests_per_min=1), 429),
        (WorkspaceRule(name="w", tokens_per_min=15), 429),
        (WorkspaceRule(name="w", concurrency=1), 429),
        (WorkspaceRule(name="w", budget_left_usd=0.15), 402),
    ],
)
def test_the_keys_of_a_workspace_share_its_limits(rule: WorkspaceRule, status: int) -> None:
    one, other = KeyMeter(key_rule(), 0.0), KeyMeter(key_rule("another"), 0.0)
    shared = of_a_workspace(rule, one, other)
    wanted = Reservation(tokens=10, usd=0.1)
    assert one.limits_tokens_or_money is (shared.tokens is not None or status == 402)
    assert one.admit(0.0, wanted) is None
    problem = refusal(other, 0.0, wanted)
    assert problem.status == status
    assert "workspace" in problem.message
    assert other.in_flight == 0 and shared.in_flight == 1, "what is refused takes nothing"
    one.settle(wanted, tokens=0, usd=0.0)
    shared.follow(WorkspaceRule(name="w"), 0.0)
    assert other.admit(0.0, wanted) is None


def test_a_key_with_less_than_its_workspace_is_refused_by_its_own_limit() -> None:
    key = KeyMeter(key_rule(requests_per_min=1), 0.0)
    shared = of_a_workspace(WorkspaceRule(name="w", requests_per_min=10), key)
    assert key.admit(0.0, SMALL) is None
    assert "This key" in refusal(key, 0.0).message
    assert shared.requests is not None and shared.requests.level == 9.0
    assert b"limit-requests: 1\r\n" in key.headers()


def test_headers_say_what_is_left_of_the_scarcer_limit() -> None:
    key = KeyMeter(key_rule(requests_per_min=60), 0.0)
    of_a_workspace(WorkspaceRule(name="w", requests_per_min=5, tokens_per_min=100), key)
    assert b"limit-requests: 5\r\n" in key.headers()
    assert b"limit-tokens: 100\r\n" in key.headers()
