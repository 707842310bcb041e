"""The registry as commands use it: on the database and the blob store that the settings name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sightwire.blobs import open_blob_store
from sightwire.settings import load_settings
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.settings import StorageSettings

Answer = TypeVar("Answer")


def ask_registry(question: Callable[[ModelRegistry], Awaitable[Answer]]) -> Answer:
    """The answer of the registry to one question."""

    async def ask() -> Answer:
        async with _open_registry() as registry:
            return await question(registry)

    return asyncio.run(ask())


@asynccontextmanager
async def _open_registry() -> AsyncIterator[ModelRegistry]:
    settings = load_settings(StorageSettings)
    database = Database(settings.orchestrator_database_url.get_secret_value())
    try:
        await database.open()
        yield ModelRegistry(database, open_blob_store(settings.blobs_url))
    finally:
        await database.close()
