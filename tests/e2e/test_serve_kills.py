"""Killed a hundred times at random moments: no orphan, no double, no lost or repeated account."""

import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, Serving, chat_body, plant_version, serving

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.enable_socket]

CHUNKS, ROUNDS = 10, 10
FAKE, GATEWAY, ITSELF = "fake_server", "paceline.deploy.gateway", "supervisor"


class Client:
    """Asks with its key under ids of its own, every other time for a stream, and knows which were
    answered whole."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.asked = 0
        self.answered: set[str] = set()

    def ask(self, one: Serving) -> bool:
        self.asked += 1
        name, streams = f"ask-{self.asked}", self.asked % 2 == 0
        try:
            answer = httpx.post(
                f"{one.url}/chat/completions",
                json=chat_body(4, stream=streams),
                headers={"x-request-id": name, "authorization": f"Bearer {self._key}"},
                timeout=WITHIN_S,
            )
        except httpx.TransportError:
            return False
        whole = answer.status_code == 200 and '"error"' not in answer.text
        if whole:
            assert not streams or answer.text.endswith("data: [DONE]\n\n"), "ended without a word"
            self.answered.add(name)
        return whole


@pytest.mark.parametrize("seed", range(CHUNKS))
def test_whatever_is_killed_whenever_it_comes_back_once(
    paceline: Paceline, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1").code == 0
    key = paceline("keys", "create", "kept", "--json").document
    client = Client(key["key"])
    rounds = 0
    while rounds < ROUNDS:
        with serving(paceline, "--require-keys") as one:
            while rounds < ROUNDS:
                rounds += 1
                if not round_survived(one, client, chance):
                    break
    with serving(paceline, "--require-keys") as last:
        last.until(client.ask, "answering at the end")
    # Its end has accounted for the rest.
    account = accounted(paceline)
    assert client.answered
    assert {name for name, how, _ in account if how == "ok"} >= client.answered
    assert {by for *_, by in account} == {key["id"]}
    times = Counter(name for name, *_ in account)
    assert max(times.values()) == 1, times
    assert [key["id"] for key in paceline("keys", "list", "--json").document["keys"]] == [key["id"]]
    assert paceline("endpoints", "demo", "--json").document["failed"] == []


def accounted(paceline: Paceline) -> list[tuple[str, str, str]]:
    """The requests in the account, with how they ended and whose key they had."""
    with closing(sqlite3.connect(paceline.data / "paceline.db")) as database:
        return database.execute("SELECT request_id, ended, key_id FROM usage").fetchall()


def round_survived(one: Serving, client: Client, chance: random.Random) -> bool:
    """Kill something at some moment; whether this `paceline serve` still runs."""
    victim = chance.choice((FAKE, GATEWAY, GATEWAY, FAKE, ITSELF))
    time.sleep(chance.uniform(0.0, 1.5))
    assert len(one.children(FAKE)) <= 1
    if victim == ITSELF:
        left = psutil.Process(one.process.pid).children(recursive=True)
        one.kill()
        _, alive = psutil.wait_procs(left, timeout=WITHIN_S)
        assert alive == []
        return False
    for process in one.children(victim):
        process.send_signal(signal.SIGKILL)
    # A replica that breaks before it served for a minute pauses longer each time, and a version
    # that does so five times is given up; deploying again begins anew.
    assert one.paceline("deploy", "demo").code == 0
    one.until(client.ask, f"answering after {victim} was killed")
    assert len(one.children(FAKE)) <= 1
    assert len(one.children(GATEWAY)) == 1
    return True
