"""The registry as commands use it: through the active orchestrator, or on its database where none runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar

from nats.errors import NoRespondersError
from pydantic import BaseModel

from sightwire.blobs import open_blob_store
from sightwire.bus.connection import Bus
from sightwire.bus.control import ask
from sightwire.cli.bus import find_bus_settings
from sightwire.cli.output import notices
from sightwire.contracts import subjects
from sightwire.contracts.model_control import RegistryRequest
from sightwire.platform.data_directory import DataDirectory
from sightwire.settings import load_settings
from sightwire_orchestrator.control.model_requests import RegistryDesk
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.settings import StorageSettings

#: Registering copies a whole bundle.
_ANSWER_SECONDS: Final = 3600.0
_CONNECT_SECONDS: Final = 3.0

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


class Registry(Protocol):
    """Answers what can be asked of the registry; see `sightwire.contracts.model_control`."""

    async def __call__(self, request: RegistryRequest, answer: type[Answer], /) -> Answer:
        """The answer to a request, which is an `answer`."""


def ask_registry(data_dir: Path, question: Callable[[Registry], Awaitable[Result]]) -> Result:
    """What a question to the registry comes to; it is asked once more from its beginning if no orchestrator answers.

    Raises:
        SightwireError: whatever the registry answers.
    """
    return asyncio.run(_ask(data_dir, question))


async def _ask(data_dir: Path, question: Callable[[Registry], Awaitable[Result]]) -> Result:
    async with _bus_if_any(data_dir) as bus:
        if bus is not None:
            try:
                return await question(_through_the_orchestrator(bus))
            except NoRespondersError:
                notices.print("no orchestrator answers; its database is used directly")
    async with _open_registry(data_dir) as registry:
        return await question(registry)


@asynccontextmanager
async def _bus_if_any(data_dir: Path) -> AsyncIterator[Bus | None]:
    settings = find_bus_settings(data_dir)
    if settings is None:
        yield None
        return
    bus = Bus(settings, name="cli")
    try:
        is_connected = await bus.connect_before(_set_after(_CONNECT_SECONDS))
        if not is_connected:
            notices.print("the bus cannot be reached; the orchestrator's database is used directly")
        yield bus if is_connected else None
    finally:
        await bus.close()


def _set_after(seconds: float) -> asyncio.Event:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    return event


def _through_the_orchestrator(bus: Bus) -> Registry:
    async def answered(request: RegistryRequest, answer: type[Answer], /) -> Answer:
        return answer.model_validate(await ask(bus, subjects.CONTROL_MODELS, request, timeout=_ANSWER_SECONDS))

    return answered


@asynccontextmanager
async def _open_registry(data_dir: Path) -> AsyncIterator[Registry]:
    database_url, blobs_url = _addresses(load_settings(StorageSettings), DataDirectory(data_dir))
    database = Database(database_url)

    async def answered(request: RegistryRequest, answer: type[Answer], /) -> Answer:
        said = await desk.answer(request)
        assert isinstance(said, answer), f"{type(request).__name__} is answered by {type(said).__name__}"
        return said

    try:
        await database.open()
        desk = RegistryDesk(ModelRegistry(database, open_blob_store(blobs_url)))
        yield answered
    finally:
        await database.close()


def _addresses(settings: StorageSettings, data: DataDirectory) -> tuple[str, str]:
    """Database and blob store: what is configured, and otherwise what a platform on the data directory has."""
    given = settings.model_fields_set
    database_url = settings.orchestrator_database_url.get_secret_value()
    return (
        database_url if "orchestrator_database_url" in given else f"sqlite:///{data.orchestrator}/orchestrator.db",
        settings.blobs_url if "blobs_url" in given else str(data.blobs),
    )
