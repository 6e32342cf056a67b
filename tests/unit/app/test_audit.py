from dataclasses import replace

import pytest

from paceline.app.audit import differences, read_since
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.records.access import UseLimits
from paceline.testing.deployments import an_endpoint


def test_only_what_differs_is_told() -> None:
    before = UseLimits(requests_per_min=60)
    after = UseLimits(budget_usd_per_month=2.5)
    assert differences(before, before) == ""
    assert differences(before, after) == (
        "requests_per_min 60 -> none, budget_usd_per_month none -> 2.5"
    )


def test_fields_inside_are_told_by_their_own_name() -> None:
    before = an_endpoint()
    policy = replace(before.policy, bounds=replace(before.policy.bounds, max_replicas=5))
    after = replace(before, canary=None, policy=policy)
    told = differences(before, after).split(", ")
    assert "max_replicas 2 -> 5" in told
    assert "share 0.05 -> none" in told


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("24h", "2025-12-31T00:00:00+00:00"),
        ("99999999999d", "1926-01-26T00:00:00+00:00"),
        ("2025-11-02", "2025-11-02T00:00:00+00:00"),
        ("2025-11-02T10:00+02:00", "2025-11-02T08:00:00+00:00"),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, since: str) -> None:
    assert read_since(text, ManualClock()) == since


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        read_since("soon", ManualClock())
    assert caught.value.code is Code.BAD_OPTION
