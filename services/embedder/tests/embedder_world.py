"""An embedder as a process, and what it makes of what is published on a real bus."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from nats.aio.msg import Msg

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import DeadLetter, list_dead_letters
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import ItemState
from sightwire.platform.nats_server import NatsServer
from sightwire.platform.ports import find_free_port
from sightwire.settings import SharedSettings
from sightwire.v1 import events_pb2
from tests.plugin.bus import shared_settings


@dataclass
class EmbedderProcess:
    """`python -m sightwire_embedder`. Use as an async context manager: a test that fails leaves none behind."""

    settings: SharedSettings
    environment: dict[str, str]
    port: int
    operations_port: int
    process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self.is_running:
            await self.stop(signal.SIGKILL)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sightwire_embedder", env={**os.environ, **self.environment}
        )

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def is_ready(self) -> bool:
        async with httpx.AsyncClient() as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(self.url("/readyz"))).status_code == 200
        return False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.operations_port}{path}"


def embedder_process(
    server: NatsServer, blobs: Path, bundle: Path, data_folder: Path, **environment: str
) -> EmbedderProcess:
    settings = shared_settings(server, blobs)
    assert settings.nats_user is not None
    assert settings.nats_password is not None
    port, operations_port = find_free_port(), find_free_port()
    return EmbedderProcess(
        settings,
        {
            "SIGHTWIRE_NATS_URL": settings.nats_url,
            "SIGHTWIRE_NATS_USER": settings.nats_user,
            "SIGHTWIRE_NATS_PASSWORD": settings.nats_password.get_secret_value(),
            "SIGHTWIRE_BLOBS_URL": settings.blobs_url,
            "SIGHTWIRE_OPS_PORT": str(operations_port),
            "SIGHTWIRE_MODEL_BUNDLE": str(bundle),
            "SIGHTWIRE_EMBEDDER_PORT": str(port),
            "SIGHTWIRE_EMBEDDER_CACHE_DIR": str(data_folder),
            **environment,
        },
        port,
        operations_port,
    )


@dataclass
class CollectionOnTheBus:
    """A registered collection, what is published to it, and what the embedder made of it."""

    bus: Bus
    record: CollectionRecord
    messages: list[events_pb2.EmbeddedBatch] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def items(self) -> list[events_pb2.EmbeddedItem]:
        return [item for message in self.messages for item in message.items]

    @property
    def by_id(self) -> dict[str, events_pb2.EmbeddedItem]:
        return {item.item_id: item for item in self.items}

    async def publish(self, event: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> int:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        acknowledgement = await self.bus.publish(f"ingest.{self.name}", payload, headers or {})
        return acknowledgement.seq

    async def state(self, item_id: str) -> ItemState | None:
        status = await ItemStatusStore(self.bus).get(self.name, item_id)
        return status.state if status is not None else None

    async def dead_letters(self) -> list[DeadLetter]:
        letters = await list_dead_letters(self.bus, limit=10_000)
        return [letter for letter in letters if letter.original_subject == f"ingest.{self.name}"]


async def followed(bus: Bus, record: CollectionRecord) -> CollectionOnTheBus:
    """Registers a collection, and collects what is embedded for it."""
    await CollectionRegistry(bus).create(record)
    collection = CollectionOnTheBus(bus, record)

    async def collect(message: Msg) -> None:
        collection.messages.append(events_pb2.EmbeddedBatch.FromString(message.data))

    await bus.jetstream.subscribe(f"embedded.{record.name}.*", stream="EMBEDDED", ordered_consumer=True, cb=collect)
    return collection


def vectors_of(item: events_pb2.EmbeddedItem, name: str) -> np.ndarray:
    (matrix,) = [vectors.matrix for vectors in item.vectors if vectors.field == name]
    return np.frombuffer(matrix.data, "<f4").reshape(matrix.rows, matrix.dimension)
