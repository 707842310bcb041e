"""NATS servers for benchmarks of the bus: as the platform ships them, and with the server's own default of flushing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sightwire.bus.connection import Bus
from sightwire.platform.nats_configuration import NatsAccess
from sightwire.platform.nats_server import prepare_nats_server, wait_until_nats_ready
from sightwire.platform.parent_death import dying_with_parent
from sightwire.settings import SharedSettings

SHIPPED_FLUSHING = "sync_interval: always"
DEFAULT_FLUSHING = 'sync_interval: "2m"'


@asynccontextmanager
async def nats_server(folder: Path, *, flushing: str = SHIPPED_FLUSHING) -> AsyncIterator[NatsAccess]:
    """A server with the platform's configuration, except for when it flushes to disk."""
    launch = prepare_nats_server(folder, with_monitoring=False)
    configuration = launch.directory / "nats-server.conf"
    shipped = configuration.read_text(encoding="utf-8")
    if SHIPPED_FLUSHING not in shipped:
        raise RuntimeError(f"the platform's configuration of NATS no longer says {SHIPPED_FLUSHING!r}:\n{shipped}")
    configuration.write_text(shipped.replace(SHIPPED_FLUSHING, flushing), encoding="utf-8")
    with (folder / "nats-server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*dying_with_parent(launch.command), stdout=log, stderr=log)
    try:
        await wait_until_nats_ready(launch.access, deadline=10, still_running=lambda: process.returncode is None)
        yield launch.access
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def bus_on(access: NatsAccess) -> AsyncIterator[Bus]:
    """A service's connection to the server, with all streams and buckets."""
    settings = SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )
    async with Bus(settings, name="bench") as bus:
        yield bus
