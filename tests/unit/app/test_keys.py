import math
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.keys import (
    KeyOrder,
    create_key,
    digest_of,
    find_key,
    key_of,
    key_rules,
    revoke_key,
    rotate_key,
    shown_state,
)
from paceline.app.limits import Spent, spent_this_month
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.ports.access import Access
from paceline.records.access import Purpose, UseLimits
from paceline.records.usage import PricedLine, SpoolPosition
from paceline.testing.access import a_line

ORDER = KeyOrder(name="a team", limits=UseLimits(requests_per_min=5), lifetime_s=3600.0)


@pytest.fixture
def access() -> Access:
    return MemoryStore().access


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_only_the_digest_is_kept(access: Access, clock: ManualClock) -> None:
    new = create_key(ORDER, access, clock)
    assert re.fullmatch(r"pl_live_[0-9a-f]{64}", new.secret)
    assert access.stored_keys() == (new.key,)
    assert new.key.digest == digest_of(new.secret)
    assert new.secret not in repr(access.stored_keys())


def test_a_key_opens_what_it_was_made_for_and_nothing_else(
    access: Access, clock: ManualClock
) -> None:
    inference = create_key(ORDER, access, clock)
    admin = create_key(KeyOrder(name="ops", purpose=Purpose.ADMIN), access, clock)
    assert key_of(inference.secret, Purpose.INFERENCE, access, clock) == inference.key
    assert key_of(admin.secret, Purpose.ADMIN, access, clock) == admin.key
    assert key_of(inference.secret, Purpose.ADMIN, access, clock) is None
    assert key_of(admin.secret, Purpose.INFERENCE, access, clock) is None
    assert key_of("pl_live_" + "0" * 64, Purpose.INFERENCE, access, clock) is None
    assert key_of("anything", Purpose.ADMIN, access, clock) is None


def test_the_gateway_is_told_of_inference_keys_only(access: Access, clock: ManualClock) -> None:
    new = create_key(ORDER, access, clock)
    create_key(KeyOrder(name="ops", purpose=Purpose.ADMIN), access, clock)
    revoke_key(create_key(ORDER, access, clock).key.key_id, access, clock)
    [rule] = key_rules(access, Spent())
    assert (rule.key_id, rule.digest) == (new.key.key_id, new.key.digest)
    assert rule.requests_per_min == 5
    assert rule.expires_at_s == pytest.approx(clock.utc_now().timestamp() + 3600.0, abs=1.0)


def test_a_budget_shrinks_by_what_the_month_has_cost(access: Access, clock: ManualClock) -> None:
    limits = UseLimits(budget_usd_per_month=2.0)
    key_id = create_key(replace(ORDER, limits=limits), access, clock).key.key_id
    now_s = clock.utc_now().timestamp()
    lines = [
        PricedLine(line=replace(a_line("a", key_id=key_id), at_s=now_s), usd=0.5),
        PricedLine(line=replace(a_line("b", key_id=key_id), at_s=now_s - 32 * 86_400), usd=9.0),
    ]
    access.account("gateway", lines, SpoolPosition())
    [rule] = key_rules(access, spent_this_month(access, clock))
    assert rule.budget_left_usd == pytest.approx(1.5)


def test_after_a_rotation_both_work_until_the_grace_time_is_over(
    access: Access, clock: ManualClock
) -> None:
    old = create_key(ORDER, access, clock)
    new = rotate_key(old.key.key_id, access, clock, grace_s=60.0)
    assert new.key.replaces == old.key.key_id
    assert (new.key.limits, new.key.name) == (old.key.limits, old.key.name)
    assert key_of(old.secret, Purpose.INFERENCE, access, clock) is not None
    clock.sleep(61.0)
    assert key_of(old.secret, Purpose.INFERENCE, access, clock) is None
    assert key_of(new.secret, Purpose.INFERENCE, access, clock) == new.key
    assert shown_state(find_key(old.key.key_id, access), clock) == "expired"


def test_a_rotation_never_gives_the_old_key_more_time(access: Access, clock: ManualClock) -> None:
    old = create_key(ORDER, access, clock)
    rotate_key(old.key.key_id, access, clock, grace_s=timedelta(days=9).total_seconds())
    assert find_key(old.key.key_id, access).expires_at_utc == old.key.expires_at_utc


def test_what_has_ended_cannot_be_rotated(access: Access, clock: ManualClock) -> None:
    old = create_key(ORDER, access, clock)
    revoke_key(old.key.key_id, access, clock)
    assert shown_state(find_key(old.key.key_id, access), clock) == "revoked"
    with pytest.raises(SpecError, match="ended at"):
        rotate_key(old.key.key_id, access, clock, grace_s=60.0)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (replace(ORDER, limits=UseLimits(requests_per_min=0)), Code.BAD_OPTION),
        (replace(ORDER, limits=UseLimits(budget_usd_per_month=-1.0)), Code.BAD_OPTION),
        (replace(ORDER, limits=UseLimits(budget_usd_per_month=math.nan)), Code.BAD_OPTION),
        (replace(ORDER, limits=UseLimits(budget_usd_per_month=math.inf)), Code.BAD_OPTION),
        (replace(ORDER, lifetime_s=0.0), Code.BAD_OPTION),
        (replace(ORDER, lifetime_s=4e9), Code.BAD_OPTION),
        (replace(ORDER, purpose=Purpose.ADMIN), Code.CONTRADICTION),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    access: Access, clock: ManualClock, order: KeyOrder, code: Code
) -> None:
    with pytest.raises(SpecError) as refused:
        create_key(order, access, clock)
    assert refused.value.code is code
    assert access.stored_keys() == ()


def test_a_key_that_is_not_there_is_told(access: Access) -> None:
    with pytest.raises(SpecError, match="no key is called"):
        find_key("key-none", access)
