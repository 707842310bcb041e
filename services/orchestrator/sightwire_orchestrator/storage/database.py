"""The connection to the database, and transactions on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sightwire.errors import ConfigurationError, CorruptDataError, SightwireError, UnavailableError
from sightwire_orchestrator.storage.migrating import migrate

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
#: How long a statement waits for another process that writes to the SQLite file.
_BUSY_SECONDS: Final = 30.0
#: Execution option of transactions that only read.
_READ_ONLY: Final = "sightwire_read_only"

Result = TypeVar("Result")


class Database:
    """SQLite (`sqlite:///FILE`) or PostgreSQL (`postgresql://USER:PASSWORD@HOST/NAME`).

    SQLite runs with a write-ahead log, so that readers never wait for the writer, and with `synchronous = FULL`: a
    commit is on the disk when it returns. NORMAL would survive a killed process but not a power cut, after which a run
    could have sent orders that it does not remember. What a flush costs is won back by committing together what
    comes together; see `RunStore`.

    Raises:
        ConfigurationError: the URL is of no database that is supported.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._engine = _sqlite_engine(self._url) if self.is_sqlite else _postgresql_engine(self._url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database") if self.is_sqlite else None
        self._engine_of_thread = _plain_sqlite_engine(self._url) if self.is_sqlite else None
        #: SQLite has one writer at a time and polls for its turn; within the process, turns are taken without polling.
        self._writing = asyncio.Lock()

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def address(self) -> str:
        """The URL, without its password."""
        return self._url.render_as_string(hide_password=True)

    async def open(self) -> None:
        """Brings the schema up to date; any number of processes may do so at once.

        Raises:
            ConfigurationError: the schema is of a newer version than this code.
            UnavailableError: the database does not answer.
        """
        if self.is_sqlite:
            await asyncio.to_thread(_make_folder_of, Path(self._url.database or ""))
        async with self.session() as connection:
            await connection.run_sync(migrate, self.address)

    async def close(self) -> None:
        """Gives all connections back."""
        await self._engine.dispose()
        if self._thread is not None and self._engine_of_thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._engine_of_thread.dispose)
            self._thread.shutdown()

    async def transact(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, done in a transaction that may write; rolled back when it raises.

        On SQLite `work` runs in a thread, as a whole: `session` changes threads for every step of a statement, some 20
        times a transaction. So it must touch nothing that belongs to the event loop.

        Raises:
            UnavailableError: the database does not answer, or is busy for too long.
            CorruptDataError: the file is damaged, or no database.
            DBAPIError: as SQLAlchemy raises it, when the database refuses a statement.
        """
        if self._thread is None or self._engine_of_thread is None:
            async with self.session() as connection:
                return await connection.run_sync(work)
        async with self._writing:
            done = asyncio.get_running_loop().run_in_executor(
                self._thread, self._in_transaction, self._engine_of_thread, work
            )
            # Not left alone when the caller is cancelled: the thread would hold the file, with the turn given away.
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                await asyncio.wait([done])
                raise

    def _in_transaction(self, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if _is_refusal(error):
                raise
            raise self._failure(error) from error

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back when that raises.

        On SQLite a transaction that may write has the file to itself, unless `read_only`.

        Raises:
            UnavailableError: the database does not answer, or is busy for too long.
            CorruptDataError: the file is damaged, or no database.
            DBAPIError: as SQLAlchemy raises it, when the database refuses a statement.
        """
        async with AsyncExitStack() as stack:
            if self.is_sqlite and not read_only:
                await stack.enter_async_context(self._writing)
            connection = await stack.enter_async_context(self._connection())
            await connection.execution_options(**{_READ_ONLY: read_only, "postgresql_readonly": read_only})
            try:
                async with connection.begin():
                    yield connection
            except DBAPIError as error:
                if _is_refusal(error):
                    raise
                raise self._failure(error) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        connection = self._engine.connect()
        try:
            await connection.start()
        except Exception as error:  # drivers raise errors of their own before there is a connection
            raise self._failure(error) from error
        try:
            yield connection
        finally:
            await connection.close()

    def _failure(self, error: Exception) -> SightwireError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if type(error) is DatabaseError:
            return CorruptDataError(f"the database at {self.address} cannot be read: {cause}")
        return UnavailableError(f"the database at {self.address} does not answer: {cause}")


def _is_refusal(error: DBAPIError) -> bool:
    """Whether the database answered and refuses a statement, of which the caller knows more."""
    return isinstance(error, IntegrityError | DataError | ProgrammingError) and not error.connection_invalidated


def _make_folder_of(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"no folder can be made for database {str(file)!r}: {error.strerror}") from error


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password.
        raise ConfigurationError(
            "the database's URL cannot be read; expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(
            f"there is no support for {parsed.get_backend_name()!r} databases; expected sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        )
    if driver == _DRIVERS["sqlite"] and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("a database in memory forgets every run; expected sqlite:///FILE")
    return parsed.set(drivername=driver)


#: Without transactions of the driver's own, which begin late and cannot be told to write.
_SQLITE_ARGUMENTS: Final = {"isolation_level": None, "timeout": _BUSY_SECONDS}


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, connect_args=_SQLITE_ARGUMENTS)
    _listen(engine.sync_engine)
    return engine


def _plain_sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="sqlite"), connect_args=_SQLITE_ARGUMENTS)
    _listen(engine)
    return engine


def _listen(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


def _postgresql_engine(url: URL) -> AsyncEngine:
    try:
        return create_async_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ConfigurationError("PostgreSQL needs its driver; install sightwire-orchestrator[postgresql]") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Takes the right to write at once: one that is asked for later can be refused whatever the timeout."""
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
