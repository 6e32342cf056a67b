"""Keys as a user makes and ends them."""

import pytest
from tests.e2e.conftest import Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]


def test_a_key_is_shown_once_and_nowhere_kept(paceline: Paceline) -> None:
    made = paceline(
        *("keys", "create", "a team", "--expires", "30d", "--requests-per-min", "60"),
        *("--endpoint", "demo", "--json"),
    )
    assert made.code == 0, made.err
    secret, key_id = made.document["key"], made.document["id"]
    [listed] = paceline("keys", "list", "--json").document["keys"]
    assert (listed["id"], listed["state"], listed["endpoints"]) == (key_id, "valid", ["demo"])
    files = [path for path in paceline.data.rglob("*") if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)

    rotated = paceline("keys", "rotate", key_id, "--grace", "1h")
    assert rotated.out.startswith("pl_live_")
    assert paceline("keys", "revoke", key_id).code == 0
    states = {k["id"]: k["state"] for k in paceline("keys", "list", "--json").document["keys"]}
    assert states[key_id] == "revoked"
    assert sorted(states.values()) == ["revoked", "valid"]
    assert paceline("usage", "--json").document == {"by": "endpoint", "usage": []}


def test_a_workspace_is_limited_and_listed_with_its_keys(paceline: Paceline) -> None:
    assert paceline("keys", "create", "app", "--workspace", "team-a").code == 0
    limited = paceline("workspaces", "limit", "team-a", "--requests-per-min", "60", "--json")
    assert limited.code == 0, limited.err
    assert "within 1 s" in limited.err
    [shown] = paceline("workspaces", "list", "--json").document["workspaces"]
    assert shown == limited.document
    assert (shown["name"], shown["requests_per_min"], shown["keys"]) == ("team-a", 60, 1)
    assert paceline("workspaces", "limit", "Team A").code == 2


def test_a_key_without_sense_is_one_clear_error(paceline: Paceline) -> None:
    refused = paceline("keys", "create", "x", "--expires", "soon")
    assert refused.code == 2
    assert "[bad-option]" in refused.err
    assert paceline("keys", "revoke", "key-none").code == 2


def test_an_address_without_a_management_api_is_one_clear_error(paceline: Paceline) -> None:
    refused = paceline("serve", "--admin-host", "192.0.2.1")
    assert refused.code == 2 and "[contradiction]" in refused.err
    assert "--admin-port 8081" in refused.err


NO_RUN_YET = "no run yet; start one: paceline optimize MODEL\n"


def test_a_group_without_a_command_lists(paceline: Paceline) -> None:
    for group in ("keys", "workspaces", "runs"):
        done = paceline(group)
        assert done.code == 0
        assert group.capitalize() in done.out
        assert done.err == ("" if group != "runs" else NO_RUN_YET)
