"""A process that is killed while it writes runs leaves each of them whole."""

import asyncio
import sys

from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.run_store import RunStore

from services.orchestrator.tests import endless_run_writer


async def test_killed_while_it_writes(database: Database, database_url: str):
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", endless_run_writer.__name__, database_url), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = 0
    # At least this many, so that writing is in full swing.
    while acknowledged < 200:
        line = await writer.stdout.readline()
        assert line, "the writer ended by itself"
        acknowledged = int(line)
    writer.kill()
    async for line in writer.stdout:
        acknowledged = int(line) if line.endswith(b"\n") else acknowledged
    await writer.wait()

    store = RunStore(database)
    # Whoever goes on claims first; from then on nothing of the killed one comes any more.
    await store.claim("another")
    [run] = await store.unfinished()
    assert run.sequence >= acknowledged
    assert len(await store.events(run.id)) == run.sequence
