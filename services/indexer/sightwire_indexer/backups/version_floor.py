"""Makes new items newer than restored ones.

An item's version is the sequence of its event in the stream INGEST. On a platform whose stream is younger than the one
that the restored items came through, updates would get lower versions than what they update, and lose against it.
JetStream lets an empty stream go on from a higher sequence: a purge up to a sequence that it has not reached yet.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import INGEST
from sightwire.errors import ConflictError, UnavailableError
from sightwire_indexer.backups.locking import hold_lock

logger = logging.getLogger(__name__)

_LOCK: Final = "ingest-sequences"
_POLL_SECONDS: Final = 0.1
_REQUEST_SECONDS: Final = 5.0


async def raise_versions_above(bus: Bus, version: int, *, drain_seconds: float = 30.0) -> None:
    """Makes every item that is ingested from now on get a version above `version`.

    If the stream has to be moved, it takes in nothing meanwhile, and must become empty first: what waits in it would
    be lost.

    Args:
        drain_seconds: how long what waits has to be embedded.

    Raises:
        ConflictError: the stream did not become empty.
        UnavailableError: the bus does not answer.
    """
    # Another restoration would let new messages in again while this one moves the stream.
    async with hold_lock(bus, _LOCK, "sequences of INGEST", wait_seconds=2 * drain_seconds) as require_lock:
        # What died while it moved the stream has left it refusing everything.
        await _limit_bytes(bus, INGEST.max_bytes)
        if (await _state(bus))["last_seq"] >= version:
            return
        async with _refusing_new_messages(bus):
            await _wait_until_empty(bus, drain_seconds)
            require_lock()
            await _request(bus, f"$JS.API.STREAM.PURGE.{INGEST.name}", {"seq": version + 1})
        reached = (await _state(bus))["last_seq"]
    if reached < version:
        raise UnavailableError(f"INGEST is at sequence {reached} after it was moved to {version}; try again")
    logger.info("moved INGEST on, so that new items are newer than restored ones", extra={"sequence": version})


@asynccontextmanager
async def _refusing_new_messages(bus: Bus) -> AsyncIterator[None]:
    """Publishers are told that the stream is full, which they have to expect of it at any time."""
    await _limit_bytes(bus, 1)
    try:
        yield
    finally:
        await _limit_bytes(bus, INGEST.max_bytes)


async def _wait_until_empty(bus: Bus, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while waiting := (await _state(bus))["messages"]:
        if loop.time() >= deadline:
            raise ConflictError(
                f"the backup's items are newer than this platform's stream INGEST, in which {waiting} items wait that "
                f"were not embedded within {seconds:g} s; restore again when they are, or when they are deleted"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _limit_bytes(bus: Bus, max_bytes: int) -> None:
    config = (await _request(bus, f"$JS.API.STREAM.INFO.{INGEST.name}", {}))["config"]
    if config["max_bytes"] != max_bytes:
        await _request(bus, f"$JS.API.STREAM.UPDATE.{INGEST.name}", {**config, "max_bytes": max_bytes})


async def _state(bus: Bus) -> dict[str, int]:
    answer = await _request(bus, f"$JS.API.STREAM.INFO.{INGEST.name}", {})
    state: dict[str, int] = answer["state"]
    return state


async def _request(bus: Bus, subject: str, document: dict[str, Any]) -> dict[str, Any]:
    """A request to JetStream as it is: the client's own calls drop members of configurations that they do not know."""
    try:
        reply = await bus.client.request(subject, json.dumps(document).encode(), timeout=_REQUEST_SECONDS)
    except (NatsError, JetStreamError, TimeoutError) as error:
        raise UnavailableError(f"JetStream did not answer {subject!r}: {error!r}") from error
    answer: dict[str, Any] = json.loads(reply.data)
    if "error" in answer:
        raise UnavailableError(f"JetStream refused {subject!r}: {answer['error'].get('description')}")
    return answer
