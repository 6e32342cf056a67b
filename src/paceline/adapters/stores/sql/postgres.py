"""PostgreSQL by URL: for a team, or where the machine that serves comes and goes.

Writers take one advisory lock for the length of their transaction, so that what one reads stays as
it is until it commits; ours take milliseconds. Readers see one snapshot and wait for nobody.
"""

from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from paceline.errors import Code, PacelineError, SetupError

DRIVER: Final = "postgresql+psycopg"
LOCK_WAIT_S: Final = 10
CONNECT_TIMEOUT_S: Final = 5
WRITE_LOCK: Final = 0x7061_6365
"""Any number, the same for every Paceline on this database."""
WRITES: Final = "paceline_writes"
DISK_FULL: Final = "53100"
LOCK_NOT_AVAILABLE: Final = "55P03"
BUGS: Final = ("22", "23", "42")
"""Classes of SQLSTATE that say our SQL is wrong: bad data, violated constraint, syntax or name."""
NOT_ALLOWED: Final = "42501"


class Postgres:
    """The database behind `url`. Raises SetupError for no URL, or when the driver is missing."""

    def __init__(self, url: str) -> None:
        try:
            given = make_url(url)
        except ArgumentError as error:
            raise _unusable("PACELINE_DATABASE", "it is no URL") from error
        if given.drivername.partition("+")[0] not in ("postgresql", "postgres"):
            named = given.render_as_string(hide_password=True)
            why = f"it begins with {given.drivername}://, and a server's with postgresql://"
            raise _unusable(named, why)
        parsed = given.set(drivername=DRIVER)
        self.name = parsed.render_as_string(hide_password=True)
        try:
            self.engine = create_engine(
                parsed,
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": CONNECT_TIMEOUT_S,
                    "options": f"-c lock_timeout={LOCK_WAIT_S * 1000}",
                },
            )
        except ModuleNotFoundError as error:
            raise SetupError(
                Code.MISSING_TOOL,
                f"cannot use the database {self.name!r}",
                why=f"the driver is not installed: {error}",
                fix="pip install 'paceline[postgres]'",
            ) from error
        event.listen(self.engine, "begin", _begin)

    def reading(self) -> Engine:
        """An engine whose transactions see one state of the database."""
        return self.engine.execution_options(isolation_level="REPEATABLE READ")

    def writing(self) -> Engine:
        """An engine whose transactions hold the one write lock from their start."""
        return self.engine.execution_options(**{WRITES: True})

    def meaning(self, error: DBAPIError) -> PacelineError | None:
        """What a failure asks of the operator; `None` for a bug of ours."""
        state = getattr(error.orig, "sqlstate", None) or ""
        said = str(error.orig).strip().splitlines()
        told = f"PostgreSQL says {said[0]!r}" if said else "PostgreSQL does not say why"
        if state == DISK_FULL:
            return SetupError(
                Code.DISK_FULL,
                f"no room to write to the database {self.name!r}",
                why=told,
                fix="free some space on the disk of the database server",
            )
        if state == LOCK_NOT_AVAILABLE:
            return _unusable(self.name, f"another process has held its lock for {LOCK_WAIT_S} s")
        if state.startswith(BUGS) and state != NOT_ALLOWED:
            return None
        return _unusable(self.name, told)


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def _unusable(name: str, why: str) -> SetupError:
    return SetupError(
        Code.STORE_UNUSABLE,
        f"cannot use the database {name!r}",
        why=why,
        fix="check the server and the URL in PACELINE_DATABASE, or unset it to use a file",
    )
