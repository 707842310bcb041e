"""What the orchestrator's tests share."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.postgresql import create_database, postgresql_programs, running_postgresql


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql_server() -> AsyncIterator[str | None]:
    """The URL of one PostgreSQL server for the whole session; None where the machine has none."""
    programs = postgresql_programs()
    if programs is None:
        yield None
        return
    async with running_postgresql(programs) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session", params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path, postgresql_server: str | None) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/orchestrator.db"
    if postgresql_server is None:
        pytest.skip("there is no PostgreSQL on this machine")
    return await create_database(postgresql_server, uuid.uuid4().hex)


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the newest schema."""
    database = Database(database_url)
    await database.open()
    yield database
    await database.close()
