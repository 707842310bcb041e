"""The database: opened, migrated once however many open it, refused when it is newer than the code."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sightwire_orchestrator.alerts.tables
import sightwire_orchestrator.numbers.tables
import sightwire_orchestrator.registry.tables
import sightwire_orchestrator.reviews.tables  # noqa: F401  their tables belong to `metadata`
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.tables import metadata, run_events
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from sightwire.errors import ConfigurationError, CorruptDataError, UnavailableError

OPEN = "import asyncio, sys; from sightwire_orchestrator.storage.database import Database; "
OPEN += "asyncio.run(Database(sys.argv[1]).open())"


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)


async def test_migrations_make_the_tables(database: Database):
    async with database.session() as connection:
        assert await connection.run_sync(differences) == []


async def test_opened_again(database: Database):
    await database.open()


async def test_opened_by_many_at_once(database_url: str):
    """Three in this process, two in others."""
    databases = [Database(database_url) for _ in range(3)]
    others = [await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, database_url) for _ in range(2)]
    await asyncio.gather(*(database.open() for database in databases))
    assert [await other.wait() for other in others] == [0, 0]
    async with databases[0].session(read_only=True) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1
    for database in databases:
        await database.close()


async def test_a_newer_schema_is_refused(database: Database):
    async with database.session() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="has schema '9999', but this version knows none newer than '000"):
        await database.open()


async def test_a_failed_transaction_leaves_nothing(database: Database):
    async def change_and_fail() -> None:
        async with database.session() as connection:
            await connection.execute(text("UPDATE active_orchestrator SET owner = 'a'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    async with database.session(read_only=True) as connection:
        assert (await connection.execute(text("SELECT owner FROM active_orchestrator"))).scalar_one() == ""


async def test_foreign_keys_hold(database: Database):
    row = {"run": "r", "sequence": 1, "kind": "run_ended", "at": datetime.now(UTC), "document": "{}"}
    with pytest.raises(IntegrityError):
        async with database.session() as connection:
            await connection.execute(run_events.insert(), row)


async def test_sqlite_flushes_what_it_commits(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/a.db")
    async with database.session(read_only=True) as connection:
        pragmas = ["journal_mode", "synchronous", "foreign_keys", "busy_timeout"]
        values = [(await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() for pragma in pragmas]
    await database.close()
    full = 2
    assert values == ["wal", full, 1, 30_000]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("orchestrator.db", "cannot be read; expected sqlite:///FILE"),
        ("mysql://localhost/a", "no support for 'mysql' databases"),
        ("sqlite://", "in memory forgets every run"),
        ("sqlite:///:memory:", "in memory forgets every run"),
    ],
)
def test_wrong_urls(url: str, reason: str):
    with pytest.raises(ConfigurationError, match=reason):
        Database(url)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid"])
async def test_a_server_that_is_away(host: str):
    database = Database(f"postgresql://someone:secret@{host}/nothing")
    with pytest.raises(UnavailableError, match=r"someone:\*\*\*@.* does not answer") as raised:
        await database.open()
    assert "secret" not in str(raised.value)


async def test_a_database_that_is_missing(postgresql_server: str | None):
    if postgresql_server is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with pytest.raises(UnavailableError, match='database "missing" does not exist'):
        await Database(postgresql_server.replace("/postgres?", "/missing?")).open()


async def test_a_connection_that_breaks(database: Database):
    if database.is_sqlite:
        pytest.skip("a file has no connections")

    async def ask_after_the_end() -> None:
        async with database.session() as connection:
            own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with database.session() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": own})
            await connection.execute(text("SELECT 1"))

    with pytest.raises(UnavailableError, match="does not answer"):
        await ask_after_the_end()
    async with database.session() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_file_that_is_no_database(tmp_path: Path):
    (tmp_path / "a.db").write_text("this is no database, but text that is long enough to be one" * 100)
    with pytest.raises(CorruptDataError, match="file is not a database"):
        await Database(f"sqlite:///{tmp_path}/a.db").open()
