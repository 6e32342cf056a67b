"""What serving does while database, disk or every engine is away: it goes on, and says so."""

import json
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, Serving, plant_version, serving
from tests.postgres import postgres_server

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

FAKE, GATEWAY = "fake_server", "paceline.deploy.gateway"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    maker = Paceline(folder.parent, shared_cache=False)
    assert maker("models", "synth", "tiny", str(folder)).code == 0
    return str(folder)


@pytest.fixture
def demo(paceline: Paceline, model: str) -> Paceline:
    """With an endpoint `demo` of one replica that is always wanted."""
    plant_version(paceline, model)
    assert paceline("deploy", "demo", "--min", "1").code == 0
    return paceline


def metrics(one: Serving, key: str) -> str:
    """The page, from the address that it named."""
    place = next(line for line in one.said if "management API on" in line)
    url = place.split()[-1].removesuffix("/docs") + "/metrics"
    answer = httpx.get(url, headers={"authorization": f"Bearer {key}"}, timeout=WITHIN_S)
    assert answer.status_code == 200, answer.text
    return answer.text


def accounted(paceline: Paceline) -> int:
    """Requests that were answered, by the account."""
    (total,) = paceline("usage", "--json").document["usage"]
    answered: int = total["requests"]["ok"]
    return answered


def answers(one: Serving) -> bool:
    try:
        return one.ask().status_code == 200
    except httpx.TransportError:
        return False


class Client:
    """Asks, and knows how often it was answered."""

    def __init__(self) -> None:
        self.answered = 0

    def ask(self, one: Serving) -> bool:
        answered = answers(one)
        self.answered += answered
        return answered


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process's transaction that lets nobody write."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=WITHIN_S)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_a_locked_database_holds_up_nothing_and_no_usage_is_lost(demo: Paceline) -> None:
    client = Client()
    with serving(demo) as one:
        one.heard("serves after")
        assert client.ask(one)
        with locked(demo.data / "paceline.db"):
            one.children(FAKE)[0].send_signal(signal.SIGKILL)
            one.heard("serves after", times=2)  # a new one, which is decided on and not yet stored
            one.until(client.ask, "answering while the database is locked")
            assert demo("endpoints", "--json").code == 0, "reading waits for nobody"
    assert accounted(demo) == client.answered == 2
    states = [one["state"] for one in demo("endpoints", "demo", "--json").document["replica_list"]]
    assert states == ["ended", "ended"]


@pytest.mark.long
def test_a_database_that_stays_locked_is_written_when_it_is_back(demo: Paceline) -> None:
    client = Client()
    with serving(demo) as one:
        one.heard("serves after")
        with locked(demo.data / "paceline.db"):
            one.until(client.ask, "answering while the database is locked")
            one.children(FAKE)[0].send_signal(signal.SIGKILL)
            one.heard("serving goes on without the store")
            one.heard("usage waits in the spool")
            one.until(client.ask, "answering with a new replica")
        one.heard("the store is back")
        steps = demo("endpoints", "demo", "--log").out
        assert steps.count("serves after") == 2
    assert accounted(demo) == client.answered


@pytest.mark.long
def test_a_postgres_that_is_stopped_and_started_again_lost_nothing(
    paceline: Paceline, model: str
) -> None:
    client = Client()
    with postgres_server() as server:
        paceline.env["PACELINE_DATABASE"] = server.database()
        plant_version(paceline, model)
        assert paceline("deploy", "demo", "--min", "1").code == 0
        key = paceline("keys", "create", "ops", "--admin", "--json").document["key"]
        with serving(paceline, "--admin-port", "0") as one:
            one.heard("serves after")
            one.until(client.ask, "answering")
            one.until(lambda it: "paceline_replica_memory_bytes{" in metrics(it, key), "measured")
            server.stop()
            one.heard("serving goes on without the store")
            one.until(lambda it: "paceline_store_away 1" in metrics(it, key), "said to be away")
            assert 'paceline_replicas{endpoint="demo",state="ready"} 1' in metrics(one, key)
            refused = paceline("deploy", "demo")
            assert (refused.code, "[store-unusable]" in refused.err) == (3, True), refused.err
            one.children(FAKE)[0].send_signal(signal.SIGKILL)
            one.heard("serves after", times=2)
            one.until(client.ask, "answering without the database")
            server.start()
            one.heard("the store is back")
            assert paceline("deploy", "demo", "--wait").code == 0
            one.until(client.ask, "answering")
        assert accounted(paceline) == client.answered


@contextmanager
def full_disk(*processes: psutil.Process) -> Iterator[None]:
    """No file of these processes grows any more; the kernel refuses it as on a full disk."""
    before = [resource.prlimit(one.pid, resource.RLIMIT_FSIZE) for one in processes]
    for one, (_, hard) in zip(processes, before, strict=True):
        resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (1, hard))
    yield
    for one, limits in zip(processes, before, strict=True):
        resource.prlimit(one.pid, resource.RLIMIT_FSIZE, limits)


def test_on_a_full_disk_usage_waits_in_memory_and_is_written_later(demo: Paceline) -> None:
    client = Client()
    with serving(demo) as one:
        one.heard("serves after")
        with full_disk(*one.children(GATEWAY), psutil.Process(one.process.pid)):
            one.until(client.ask, "answering")
            one.heard("the disk takes no usage")
            one.until(client.ask, "answering again")
        one.heard("the disk takes usage again")
    assert accounted(demo) == client.answered == 2


@pytest.mark.long
def test_an_engine_that_hangs_is_replaced_and_the_request_it_had_is_told(demo: Paceline) -> None:
    with serving(demo) as one:
        one.heard("serves after")
        one.children(FAKE)[0].send_signal(signal.SIGSTOP)
        seen: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: seen.append(one.ask()))
        asking.start()
        one.heard("no answer to 3 health checks in a row")
        one.heard("serves after", times=2)
        asking.join()
        assert (seen[0].status_code, seen[0].json()["error"]["code"]) == (502, "engine_failed")
        assert answers(one)


@pytest.mark.long
def test_when_every_start_ends_in_a_crash_clients_are_told_so(
    paceline: Paceline, model: str
) -> None:
    plant_version(paceline, model)
    assert paceline("deploy", "demo", "--min", "1").code == 0
    with serving(paceline, PACELINE_FAKE=json.dumps({"*": {"fault": "crash-under-load"}})) as one:
        one.until(lambda it: failed(it) is not None, "given up")
        problem = failed(one)
        assert problem is not None
        assert "crashes in a row" in problem["message"]
        assert one.status()["state"] == "failed"
        assert paceline("deploy", "demo").code == 0  # tries again
        one.heard("version 1 is wanted")


def failed(one: Serving) -> dict[str, str] | None:
    """What a client is told once nothing can serve."""
    answer = one.ask()
    if answer.status_code == 200:
        return None
    error: dict[str, str] = answer.json()["error"]
    return error if error["code"] == "endpoint_failed" else None
