"""Every store, on its contract; and what a database on a disk has to stand beyond it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, text

from paceline.adapters.stores.memory import MemoryStore
from paceline.adapters.stores.sql import SqlStore, owner, sqlite
from paceline.adapters.stores.sql.migrations import HEAD
from paceline.adapters.stores.sql.tables import METADATA
from paceline.adapters.stores.sql.upgrade import scripts_config
from paceline.errors import CapacityError, Code, SetupError, SpecError
from paceline.ports.store import RunWriter, Store
from paceline.records.deployment import policy_of
from paceline.records.run import RunState
from paceline.records.serial import pack
from paceline.records.trial import TrialState
from paceline.testing.access import AccessContract
from paceline.testing.audit import AuditContract, an_event
from paceline.testing.builders import a_trial
from paceline.testing.deployments import DeploymentsContract, an_endpoint
from paceline.testing.stores import GRANTED, NOON, RIVAL, StoreContract, a_run, a_version

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from paceline.adapters.stores.sql import SqlStore
from paceline.records.run import RunState
from paceline.testing.builders import a_trial
from paceline.testing.stores import GRANTED, NOON, RIVAL, a_run

store = SqlStore(Path(sys.argv[1]))
store.create_run(a_run())
with store.write_run(a_run().run_id) as writer:
    writer.move(RunState.PLANNED, RunState.RUNNING)
    for repeat in range(1_000_000):
        writer.append(replace(GRANTED, trial_id=f"t{repeat}"))
        writer.save_trial(a_trial(RIVAL, repeat=repeat))
        print(repeat, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paceline.db"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows: copying it is quicker than migrating anew for every test."""
    path = tmp_path_factory.mktemp("empty") / "paceline.db"
    SqlStore(path).close()
    return path


def opened(path: Path) -> Iterator[Store]:
    store = SqlStore(path)
    yield store
    store.close()


class TestMemoryStore(StoreContract, DeploymentsContract, AccessContract, AuditContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestSqlStore(StoreContract, DeploymentsContract, AccessContract, AuditContract):
    @pytest.fixture
    def store(self, path: Path, empty: Path) -> Iterator[Store]:
        shutil.copy(empty, path)
        yield from opened(path)

    def test_what_was_stored_is_there_when_opened_again(self, store: Store, path: Path) -> None:
        store.create_run(a_run())
        store.add_version(a_version("r1"))
        for again in opened(path):
            assert again.run(a_run().run_id) == a_run()
            assert again.versions("small") == store.versions("small")

    def test_another_process_that_lives_keeps_its_run(self, store: Store, path: Path) -> None:
        store.create_run(a_run())
        for other in opened(path):
            with (
                other.write_run(a_run().run_id),
                pytest.raises(CapacityError, match=f"process {os.getpid()} on"),
                store.write_run(a_run().run_id),
            ):
                pass

    @pytest.mark.parametrize(
        ("change", "taken_over"),
        [
            ({"start_ticks": 1}, True),  # the number went to a later process
            ({"pid": 2**22 + 1}, True),  # above the kernel's largest process number
            ({"boot_id": "before"}, True),
            ({"host": "elsewhere"}, False),
            ({"host": "elsewhere", "boot_id": "other"}, False),
            ({"pid_namespace": "pid:[1]", "pid": 2**22 + 1}, False),
        ],
        ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
    )
    def test_a_lease_is_taken_over_only_when_its_owner_is_surely_dead(
        self, store: Store, path: Path, change: dict[str, object], taken_over: bool
    ) -> None:
        store.create_run(a_run())
        gone = replace(owner.this_process(), **change)  # type: ignore[arg-type]  # its fields
        plant_lease(path, pack(gone))
        if not taken_over:
            with pytest.raises(CapacityError), store.write_run(a_run().run_id):
                pass
        with store.write_run(a_run().run_id, take_over=not taken_over) as writer:
            writer.move(RunState.PLANNED, RunState.RUNNING)


def plant_lease(path: Path, packed_owner: str) -> None:
    connection = sqlite3.connect(path)
    values = (a_run().run_id, "token", packed_owner, "2026-01-01T12:00:00+00:00")
    connection.execute("INSERT INTO leases VALUES (?, ?, ?, ?)", values)
    connection.commit()
    connection.close()


@pytest.mark.e2e
def test_a_writer_that_is_killed_loses_at_most_the_trial_under_way(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 5:
                process.send_signal(signal.SIGKILL)
                break
        reported = max([5, *(int(line) for line in process.stdout)])
    assert process.returncode == -signal.SIGKILL
    for store in opened(path):
        run_id = a_run().run_id
        assert store.run(run_id).state is RunState.RUNNING
        assert store.abandoned() == {run_id}
        repeats = [trial.repeat for trial in store.trials(run_id)]
        assert repeats == list(range(len(repeats)))
        assert len(repeats) >= reported + 1
        assert len(store.transitions(run_id)) - len(repeats) in (0, 1)
        with store.write_run(run_id) as writer:  # the dead process's lease
            writer.append(replace(GRANTED, trial_id="after"))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_only_its_owner_reads_a_database(path: Path) -> None:
    before = os.umask(0o022)
    try:
        for store in opened(path):
            store.create_run(a_run())
            files = sorted(path.parent.iterdir())
            assert len(files) == 3, "with what SQLite keeps beside it"
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    finally:
        os.umask(before)


def test_a_database_of_before_is_closed_to_others(path: Path) -> None:
    SqlStore(path).close()
    held = sqlite3.connect(path)
    held.execute("SELECT * FROM runs")
    files = sorted(path.parent.iterdir())
    for file in files:
        file.chmod(0o644)
    SqlStore(path).close()
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    held.close()


def test_a_current_database_is_opened_without_alembic(path: Path) -> None:
    SqlStore(path).close()
    script = (
        "import sys; from pathlib import Path; from paceline.adapters.stores.sql import SqlStore;"
        f"SqlStore(Path({str(path)!r})).runs(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_the_packaged_head_is_the_newest_script() -> None:
    assert ScriptDirectory.from_config(scripts_config()).get_heads() == [HEAD]


def test_the_migrations_lead_to_the_tables(path: Path) -> None:
    SqlStore(path).close()
    with create_engine(f"sqlite:///{path}").connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert difference == []


@pytest.mark.parametrize("change", ["UPDATE events SET actor = 'nobody'", "DELETE FROM events"])
def test_the_database_refuses_to_change_the_audit_trail(path: Path, change: str) -> None:
    for store in opened(path):
        store.note(an_event())
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            sqlite3.connect(path).execute(change)
        assert len(store.events()) == 1


def test_a_trail_of_before_there_were_actors_is_kept(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    config = scripts_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        values = f"('{NOON}', 'rolled-back', 'current version 2 -> 1', 'small')"
        connection.exec_driver_sql(
            f"INSERT INTO events (at_utc, kind, detail, pipeline) VALUES {values}"  # noqa: S608
        )
    engine.dispose()
    for store in opened(path):
        (event,) = store.events()
        assert (event.kind, event.pipeline, event.actor) == ("rolled-back", "small", None)


def test_what_is_deployed_when_policies_come_is_kept_with_its_version(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    config = scripts_config()
    wanted = replace(an_endpoint(), revision=3)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        for name, record in (("demo", pack(wanted)), ("removed", None)):
            connection.execute(
                text("INSERT INTO endpoints VALUES (:name, 'demo', 3, :record, NULL)"),
                {"name": name, "record": record},
            )
    engine.dispose()
    for store in opened(path):
        assert store.deployments.policies_of("demo") == (policy_of(wanted),)
        store.deployments.put_endpoint(wanted, expected=3)
        assert len(store.deployments.policies_of("demo")) == 1


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", broken)
        with pytest.raises(RuntimeError, match="broken"):
            SqlStore(path)
    assert sqlite3.connect(path).execute("SELECT * FROM sqlite_master").fetchall() == []
    SqlStore(path).close()


def test_two_that_open_a_new_database_at_once_both_can(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from paceline.adapters.stores.sql import SqlStore;"
        f"SqlStore(Path({str(path)!r})).close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]


def test_of_an_unknown_pipeline_the_command_that_makes_it_is_told(path: Path) -> None:
    for store in opened(path):
        with pytest.raises(SpecError) as caught:
            store.versions("demo")
        assert caught.value.fix == "paceline optimize MODEL --pipeline demo"


def test_a_newer_schema_is_refused_with_both_versions(path: Path) -> None:
    SqlStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SetupError, match=rf"(?s)'9999'.*{HEAD!r}") as caught:
        SqlStore(path)
    assert caught.value.code is Code.STORE_UNUSABLE


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("'{\"schema_version\":99}'", "99"),
        ("replace(record, 'software_version', 'hardware_version')", r"\$.hardware_version"),
        ("'nonsense'", "no JSON"),
    ],
)
def test_a_record_that_cannot_be_read_is_the_operators_to_mend(
    path: Path, change: str, because: str
) -> None:
    for store in opened(path):
        store.create_run(a_run())
        connection = sqlite3.connect(path)
        connection.execute(f"UPDATE runs SET record = {change}")  # noqa: S608 - our own text
        connection.commit()
        connection.close()
        with pytest.raises(SetupError, match=because) as caught:
            store.runs()
        assert caught.value.code is Code.STORE_UNUSABLE


def test_a_full_disk_is_told_and_keeps_what_was_stored(path: Path) -> None:
    def limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 4}")

    for store in opened(path):
        store.create_run(a_run())
    store = SqlStore(path)
    store.close()
    event.listen(store._database._dialect.engine, "connect", limit)
    kept: list[int] = []

    def fill(writer: RunWriter) -> None:
        for repeat in range(1_000):
            writer.save_trial(a_trial(RIVAL, repeat=repeat))
            kept.append(repeat)

    with store.write_run(a_run().run_id) as writer, pytest.raises(SetupError) as caught:
        fill(writer)
    assert caught.value.code is Code.DISK_FULL
    assert [trial.repeat for trial in store.trials(a_run().run_id)] == kept != []
    store.close()


def test_a_lock_that_is_never_released_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqlStore(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite, "LOCK_WAIT_S", 0.0)
    for store in opened(path):
        store.runs()  # readers are not held up
        with pytest.raises(SetupError, match="another process has held its lock") as caught:
            store.create_run(a_run())
        assert caught.value.code is Code.STORE_UNUSABLE
    holder.close()


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(SetupError, match="not a database") as caught:
        SqlStore(path)
    assert caught.value.code is Code.STORE_UNUSABLE


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="PACELINE_DATA") as caught:
        SqlStore(tmp_path / "nowhere" / "paceline.db")
    assert caught.value.code is Code.STORE_UNUSABLE


def test_states_are_stored_by_value(path: Path) -> None:
    for store in opened(path):
        store.create_run(a_run())
        with store.write_run(a_run().run_id) as writer:
            writer.append(GRANTED)
    row = sqlite3.connect(path).execute("SELECT before, after FROM trial_transitions").fetchone()
    assert row == (TrialState.QUEUED.value, TrialState.PREPARING.value)
