"""Brings the schema of a database up to date, by the migrations in this package."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from sightwire.errors import ConfigurationError

#: Any number that no other program on the same PostgreSQL database takes for its own.
_ADVISORY_LOCK: Final = 0x5167_4777_1235


def migrate(connection: Connection, address: str) -> None:
    """Applies what is missing, within the connection's transaction: all of it or nothing.

    Others that do the same wait until it is done: on SQLite by the transaction itself, on PostgreSQL by a lock.

    Args:
        connection: in a transaction that may write.
        address: how errors name the database.

    Raises:
        ConfigurationError: the schema is of a newer version than this code.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    configuration = alembic_configuration()
    scripts = ScriptDirectory.from_config(configuration)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return
    if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"the database at {address} has schema {present!r}, but this version knows none newer than "
            f"{scripts.get_current_head()!r}; start the newer version of the orchestrator again, or restore a copy of "
            "the database from before it"
        )
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def alembic_configuration() -> Config:
    """Alembic's configuration, without a file of its own."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration
