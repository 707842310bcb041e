"""A real PostgreSQL server for tests, from the programs of the machine."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.plugin.waiting import wait_until

#: PostgreSQL refuses to run as root; packages make this user for it.
_USER = "postgres"


def postgresql_programs() -> Path | None:
    """Folder of `initdb` and `postgres`, None where there is no PostgreSQL."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@asynccontextmanager
async def running_postgresql(programs: Path) -> AsyncIterator[str]:
    """The URL of a server of its own, on a socket alone; gone with all its data at the end."""
    as_user: dict[str, Any] = {"user": _USER, "group": _USER} if os.geteuid() == 0 else {}
    # Not a folder of pytest's: those are closed to other users.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if as_user:
            shutil.chown(folder, _USER, _USER)
        data = Path(folder) / "data"
        await _to_end(
            programs / "initdb", "-D", data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", **as_user
        )
        server = await asyncio.create_subprocess_exec(
            *(programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="),
            stderr=asyncio.subprocess.DEVNULL,
            **as_user,
        )
        url = f"postgresql://{_USER}@/{_USER}?host={folder}"
        try:
            await wait_until(lambda: _answers(url), deadline=30, describe="PostgreSQL answers")
            yield url
        finally:
            # SIGINT: do not wait for clients.
            server.send_signal(2)
            await server.wait()


async def create_database(url: str, name: str) -> str:
    """The URL of a new, empty database on the server."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return url.replace(f"/{_USER}?", f"/{name}?")


async def _to_end(*command: Any, **options: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **options
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
