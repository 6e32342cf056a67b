"""Answers to idempotent requests in a file, so that a restarted gateway repeats them as well.

One SQLite file that only its owner can read, for it holds what was answered. It is not synced to
the disk: it outlives this process by any signal, a power failure may take the last seconds. Where
it cannot be read or written, answers are repeated from memory alone and the operator is told.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from paceline.deploy.gateway.complaint import complain
from paceline.deploy.gateway.idempotency import KEPT_S, Answer, Found

FILE: Final = "answers.db"
MOST_FILE_BYTES: Final = 512 * 2**20
SWEEP_EVERY: Final = 1_000
"""Answers that are kept between two looks for those that are too old or too many."""
TABLE: Final = """
CREATE TABLE IF NOT EXISTS answer (
  asker TEXT, name BLOB, digest BLOB, at_s REAL, status INTEGER, content_type BLOB, body BLOB,
  PRIMARY KEY (asker, name))
"""


class AnswerFile:
    """Finds and keeps; never raises."""

    def __init__(self, folder: Path, *, wall_s: Callable[[], float] = time.time) -> None:
        self._wall_s = wall_s
        self._kept = 0
        self._db: sqlite3.Connection | None = None
        path = folder / FILE
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute(TABLE)
            self._sweep(self._db)
        except (OSError, sqlite3.Error) as error:
            self._give_up(f"{path}: {error}")

    def find(self, name: tuple[str, bytes]) -> Found | None:
        """What was kept under a name in the last day."""
        if self._db is None:
            return None
        try:
            row = self._db.execute(
                "SELECT digest, at_s, status, content_type, body FROM answer"
                " WHERE asker = ? AND name = ? AND at_s > ?",
                (*name, self._wall_s() - KEPT_S),
            ).fetchone()
        except sqlite3.Error as error:
            self._give_up(str(error))
            row = None
        if row is None:
            return None
        digest, at_s, status, content_type, body = row
        answer = Answer(status=status, content_type=content_type, body=body)
        return Found(digest=digest, age_s=max(self._wall_s() - at_s, 0.0), answer=answer)

    def keep(self, name: tuple[str, bytes], digest: bytes, answer: Answer) -> None:
        """From now on, for a day."""
        if self._db is None:
            return
        what = (digest, self._wall_s(), answer.status, answer.content_type, answer.body)
        try:
            self._db.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)", (*name, *what)
            )
            self._kept += 1
            if self._kept % SWEEP_EVERY == 0:
                self._sweep(self._db)
        except sqlite3.Error as error:  # a full disk, say: the next one is tried again
            complain(f"an answer is kept in memory alone: {error}")

    def close(self) -> None:
        """Let the file go; nothing is found or kept from then on."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def _sweep(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM answer WHERE at_s <= ?", (self._wall_s() - KEPT_S,))
        db.execute(
            "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM (SELECT rowid, sum(length(body))"
            " OVER (ORDER BY at_s DESC) AS bytes FROM answer) WHERE bytes > ?)",
            (MOST_FILE_BYTES,),
        )

    def _give_up(self, why: str) -> None:
        complain(f"answers to idempotent requests are kept in memory alone: {why}")
        self.close()
