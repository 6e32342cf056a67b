"""Brings a database to the newest schema. Imports Alembic, so it is itself imported only then."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

SCRIPTS: Final = Path(__file__).parent / "migrations"


def scripts_config() -> Config:
    """Alembic's settings: nothing but where the scripts are."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def known_revisions() -> frozenset[str]:
    """Every schema this program can start from."""
    scripts = ScriptDirectory.from_config(scripts_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def upgrade_to_head(connection: Connection) -> None:
    """Run the missing scripts in the connection's open transaction: all of them or none."""
    config = scripts_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
