"""Keys and workspaces as clients of a running `paceline serve` meet them."""

import re
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, Serving, chat_body, plant_version, serving

from paceline.adapters.stores.sql import SqlStore
from paceline.app.keys import KeyOrder, create_key, revoke_key
from paceline.app.workspaces import limit_workspace
from paceline.clock import SystemClock
from paceline.records.access import UseLimits

FAKE, GATEWAY = b"fake_server", b"paceline.deploy.gateway"
pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]


def ask(one: Serving, key: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(
        f"{one.url}/chat/completions", json=chat_body(2), headers=headers, timeout=WITHIN_S
    )


def until(one: Serving, key: str, status: int) -> httpx.Response:
    """What the gateway says once it knows."""
    deadline_s = time.monotonic() + WITHIN_S
    while (answer := ask(one, key)).status_code != status:
        assert time.monotonic() < deadline_s, answer.text
        time.sleep(0.05)
    return answer


def shown_words(one: Serving) -> dict[str, bytes]:
    """What others on this machine may see of the processes of a `paceline serve`, by its file."""
    serve = psutil.Process(one.process.pid)
    files = [
        Path(f"/proc/{process.pid}/{name}")
        for process in (serve, *serve.children(recursive=True))
        for name in ("cmdline", "environ")
    ]
    return {str(path): path.read_bytes() for path in files}


def test_no_process_or_output_has_a_key_in_clear(paceline: Paceline, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1").code == 0
    made = [paceline("keys", "create", "app", *admin, "--json") for admin in ((), ("--admin",))]
    ours, admin = (one.document["key"] for one in made)
    secrets = [key.partition("_")[2].partition("_")[2].encode() for key in (ours, admin)]
    with serving(paceline, "--require-keys", "--admin-port", "0") as one:
        one.heard("serves after")
        until(one, ours, 200)
        known = {"authorization": f"Bearer {admin}"}
        address = re.search(r"management API on (\S+)/docs", "".join(one.said))
        assert address is not None
        made_known = httpx.get(f"{address[1]}/api/keys", headers=known, timeout=WITHIN_S)
        assert made_known.status_code == 200
        shown = shown_words(one)
        assert ask(one, ours).status_code == 200, "the processes that were looked at serve it"
        for refused in (admin, ours[:-1] + "x"):
            assert ask(one, refused).status_code == 401
        one.process.terminate()
        one.process.wait(timeout=WITHIN_S)
        assert one.process.stdout is not None
        shown["stdout"] = one.process.stdout.read().encode()
    shown["stderr"] = "".join(one.said).encode()
    shown |= {str(path): path.read_bytes() for path in paceline.data.rglob("*") if path.is_file()}
    for seen in (FAKE, GATEWAY, b"PACELINE_DATA=", b"management API"):
        assert any(seen in words for words in shown.values()), "it was looked at"
    found = [place for place, words in shown.items() if any(one in words for one in secrets)]
    assert not found


def test_keys_see_their_workspace_and_share_its_limits(paceline: Paceline, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1", "--workspace", "team-a").code == 0

    with closing(SqlStore(paceline.data / "paceline.db")) as store:
        access, clock = store.access, SystemClock()
        made = [
            create_key(KeyOrder(name="app", workspace=workspace), access, clock)
            for workspace in ("team-a", "team-a", "team-b")
        ]
        ours, other, stranger = (one.secret for one in made)
        with serving(paceline, "--require-keys") as one:
            one.heard("serves after")
            assert ask(one, "pl_live_" + "0" * 64).status_code == 401
            assert ask(one, stranger).status_code == 404, "another workspace's is not there"
            assert ask(one, ours).status_code == 200
            limit_workspace("team-a", UseLimits(requests_per_min=1), access, clock)
            refused = until(one, other, 429)
            assert "This workspace may use 1" in refused.json()["error"]["message"]
            assert ask(one, ours).status_code == 429
            limit_workspace("team-a", UseLimits(), access, clock)
            until(one, ours, 200)
            revoke_key(made[0].key.key_id, access, clock)
            until(one, ours, 401)
            assert ask(one, other).status_code == 200
    (version,) = paceline("usage", "--by", "version", "--json").document["usage"]
    by_key = paceline("usage", "--by", "key", "--json").document["usage"]
    (time_,) = version["accelerators"]
    (replica,) = paceline("endpoints", "demo", "--json").document["replica_list"]
    shares = [one["requests"] for row in by_key for one in row["accelerators"]]
    assert len(shares) == 2, "of keys whose requests a replica answered"
    assert sum(shares) == pytest.approx(time_["requests"], abs=0.01)
    lived = [datetime.fromisoformat(replica[f"{end}_at_utc"]) for end in ("launched", "ended")]
    lived_s = (lived[1] - lived[0]).total_seconds()
    assert time_["requests"] + time_["rest"] == pytest.approx(lived_s, abs=0.01)
