"""What every store must do with keys and usage."""

from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.ports.access import Access
from paceline.ports.store import StaleWrite, Store
from paceline.records.access import ApiKey, Purpose, RunQuota, UseLimits, Workspace
from paceline.records.gateway import Ended, UsageLine
from paceline.records.usage import PricedLine, SpoolPosition, UsageBy

NOON = "2026-01-01T12:00:00+00:00"
NOON_S = 1_767_268_800.0


def a_key(key_id: str = "k1", *, workspace: str = "default") -> ApiKey:
    """With everything that can be set."""
    return ApiKey(
        key_id=key_id,
        name="for tests",
        digest=key_id * 32,
        purpose=Purpose.INFERENCE,
        workspace=workspace,
        created_at_utc=NOON,
        endpoints=("demo",),
        limits=UseLimits(requests_per_min=60, budget_usd_per_month=20.0),
        expires_at_utc="2027-01-01T12:00:00+00:00",
    )


def a_line(
    request_id: str = "r1", *, ended: Ended = Ended.OK, key_id: str | None = "k1"
) -> UsageLine:
    """A request that took two seconds and 30 tokens."""
    return UsageLine(
        request_id=request_id,
        at_s=NOON_S,
        workspace="default",
        endpoint="demo",
        version=1,
        replica_id="demo-1",
        key_id=key_id,
        route="/v1/chat/completions",
        status=200,
        ended=ended,
        execution_s=2.0,
        input_tokens=10,
        output_tokens=20,
    )


class AccessContract:
    """Subclass it and give a fixture `store`."""

    @pytest.fixture
    def access(self, store: Store) -> Access:
        return store.access

    def test_keys_come_back_as_they_were_given(self, access: Access) -> None:
        access.add_key(a_key())
        access.add_key(a_key("k2", workspace="other"))
        assert access.stored_keys() == (a_key(), a_key("k2", workspace="other"))
        assert access.stored_keys(workspace="other") == (a_key("k2", workspace="other"),)

    def test_a_workspace_comes_back_with_its_latest_limits(self, access: Access) -> None:
        assert access.workspaces() == ()
        latest = Workspace(
            name="b",
            limits=UseLimits(budget_usd_per_month=0.5),
            quota=RunQuota(runs_per_month=5, overage=True, formats=("int8",)),
        )
        for workspace in (replace(latest, limits=UseLimits(concurrency=1)), latest):
            access.put_workspace(workspace)
        access.put_workspace(Workspace(name="a"))
        assert access.workspaces() == (Workspace(name="a"), latest)

    @pytest.mark.parametrize(
        "again", [replace(a_key("k2"), key_id="k1"), replace(a_key("k2"), digest=a_key().digest)]
    )
    def test_an_id_and_a_digest_exist_once(self, access: Access, again: ApiKey) -> None:
        access.add_key(a_key())
        with pytest.raises(StaleWrite):
            access.add_key(again)

    def test_a_key_ends_and_keeps_its_rules(self, access: Access) -> None:
        access.add_key(a_key())
        assert a_key().valid_at(NOON)
        ended = access.end_key("k1", revoked_at_utc=NOON)
        assert access.stored_keys() == (ended,)
        assert ended == replace(a_key(), revoked_at_utc=NOON)
        assert not ended.valid_at(NOON)
        sooner = access.end_key("k1", expires_at_utc=NOON)
        assert (sooner.expires_at_utc, sooner.revoked_at_utc) == (NOON, NOON)

    def test_a_key_that_does_not_exist_is_told(self, access: Access) -> None:
        with pytest.raises(SpecError, match="nobody") as caught:
            access.end_key("nobody", revoked_at_utc=NOON)
        assert caught.value.code is Code.UNKNOWN_NAME

    def test_what_ended_takes_the_place_of_what_began(self, access: Access) -> None:
        began = PricedLine(line=a_line(ended=Ended.BEGAN), usd=0.0)
        position = SpoolPosition(file="usage-1.jsonl", offset=100)
        access.account("gateway", [began, began], position)
        assert access.position("gateway") == position
        [total] = access.usage(by=UsageBy.ENDPOINT)
        assert (total.requests, total.unknown) == (2, 2)
        ended = PricedLine(line=a_line(ended=Ended.ABORTED), usd=0.25)
        access.account("gateway", [ended], replace(position, offset=200))
        [total] = access.usage(by=UsageBy.ENDPOINT)
        assert (total.requests, total.unknown, total.aborted, total.usd) == (2, 1, 1, 0.25)

    def test_every_end_is_counted_as_what_it_was(self, access: Access) -> None:
        lines = [PricedLine(line=a_line(end.value, ended=end), usd=0.0) for end in Ended]
        access.account("gateway", lines, SpoolPosition())
        [total] = access.usage(by=UsageBy.ENDPOINT)
        counts = (total.ok, total.aborted, total.failed, total.rejected, total.refused)
        assert (*counts, total.unknown, total.requests) == (1, 1, 1, 1, 1, 1, len(Ended))

    def test_a_spool_that_was_never_read_starts_at_its_beginning(self, access: Access) -> None:
        assert access.position("gateway") == SpoolPosition()

    @pytest.mark.parametrize(
        ("by", "groups"),
        [
            (UsageBy.ENDPOINT, {"demo": 3, "other": 1}),
            (UsageBy.KEY, {"-": 1, "k1": 2, "k2": 1}),
            (UsageBy.VERSION, {"demo@1": 2, "demo@2": 1, "other@1": 1}),
            (UsageBy.WORKSPACE, {"default": 4}),
            (UsageBy.DAY, {"2026-01-01": 3, "2026-01-02": 1}),
            (UsageBy.REQUEST, {"a": 1, "b": 1, "c": 1, "d": 1}),
        ],
    )
    def test_sums_by_group(self, access: Access, by: UsageBy, groups: dict[str, int]) -> None:
        lines = [
            a_line("a"),
            a_line("b", key_id=None),
            replace(a_line("c"), version=2, at_s=NOON_S + 86_400),
            replace(a_line("d", key_id="k2", ended=Ended.FAILED), endpoint="other"),
        ]
        access.account("g", [PricedLine(line=line, usd=0.5) for line in lines], SpoolPosition())
        found = access.usage(by=by)
        assert {total.group: total.requests for total in found} == groups
        assert sum(total.execution_s for total in found) == pytest.approx(8.0)
        assert sum(total.output_tokens for total in found) == 80

    def test_the_time_to_the_first_token_is_the_mean_of_those_that_streamed(
        self, access: Access
    ) -> None:
        times_s = {"a": 0.25, "b": 0.75, "c": None}
        lines = [replace(a_line(name), ttft_s=ttft_s) for name, ttft_s in times_s.items()]
        lines.append(replace(a_line("d"), endpoint="other"))
        access.account("g", [PricedLine(line=line, usd=0.0) for line in lines], SpoolPosition())
        found = {one.group: one.ttft_mean_s for one in access.usage(by=UsageBy.ENDPOINT)}
        assert found == {"demo": 0.5, "other": None}

    def test_shares_of_replicas_are_summed_by_group_and_replica(self, access: Access) -> None:
        lines = [
            PricedLine(line=a_line("a", ended=Ended.BEGAN), usd=0.0),
            PricedLine(line=a_line("b"), usd=0.0, replica_s=1.5),
            PricedLine(line=a_line("c", key_id=None), usd=0.0, replica_s=0.5),
            PricedLine(line=replace(a_line("d"), replica_id="demo-2"), usd=0.0, replica_s=4.0),
            PricedLine(line=replace(a_line("e"), replica_id=None), usd=0.0),
        ]
        access.account("g", lines, SpoolPosition())
        ended = PricedLine(line=a_line("a"), usd=0.0, replica_s=0.25)
        access.account("g", [ended], SpoolPosition(offset=1))
        by_key = access.replica_shares(by=UsageBy.KEY)
        assert {(one.group, one.replica_id): one.replica_s for one in by_key} == {
            ("-", "demo-1"): 0.5,
            ("k1", "demo-1"): 1.75,
            ("k1", "demo-2"): 4.0,
        }
        assert access.replica_shares(by=UsageBy.KEY, until_s=NOON_S) == ()

    def test_a_time_is_half_open(self, access: Access) -> None:
        access.account("g", [PricedLine(line=a_line(), usd=0.5)], SpoolPosition())
        assert access.usage(by=UsageBy.KEY, since_s=NOON_S, until_s=NOON_S + 1)
        assert not access.usage(by=UsageBy.KEY, until_s=NOON_S)
        assert access.spent_usd(by=UsageBy.KEY, since_s=NOON_S) == {"k1": 0.5}
        assert access.spent_usd(by=UsageBy.WORKSPACE, since_s=NOON_S) == {"default": 0.5}
        assert access.spent_usd(by=UsageBy.KEY, since_s=NOON_S + 1) == {}
