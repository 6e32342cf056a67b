"""How a database gets from one schema to the next; run by Alembic.

`HEAD` repeats the newest revision, so that a current database is recognized without importing
Alembic (80 ms); a test compares it with the scripts.
"""

from typing import Final

HEAD: Final = "0008"
