"""An embedder that was started with one small bundle, and all that is needed to have it serve another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np

from services.embedder.tests.embedder_world import CollectionOnTheBus, EmbedderProcess, embedder_process, followed
from services.embedder.tests.small_bundles import make_small_bundle, store_bundle
from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.embedders import EmbedderDirectory
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.contracts.collections import CollectionRecord, CollectionSpec, new_shadow_name
from sightwire.contracts.embedding_models import DefaultSpace, EmbedderAnnouncement, EmbeddingModel
from sightwire.platform.nats_server import NatsServer
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc
from tests.plugin.waiting import wait_until

OLD, NEW = "small-1", "small-2"
DIMENSIONS = {OLD: 5, NEW: 7}


@dataclass
class ModelsWorld:
    """The embedder, its bus and blobs, and a model that it could serve besides its own."""

    embedder: EmbedderProcess
    bus: Bus
    blobs: BlobStore
    models: EmbeddingModels
    directory: EmbedderDirectory
    new_model: EmbeddingModel
    stub: Any

    async def announced(self) -> EmbedderAnnouncement:
        await wait_until(lambda: len(self.directory.all()) == 1, deadline=30)
        return self.directory.all()[0]

    async def load_new(self) -> None:
        def is_served() -> bool:
            assert self.directory.served_everywhere(NEW), f"announced: {self.directory.all()}"
            return True

        await self.models.put(self.new_model)
        await wait_until(is_served, deadline=60)

    async def remove_new(self) -> None:
        await self.models.clear_default()
        if await self.models.all():
            await self.models.remove(NEW)
        await wait_until(lambda: not self.directory.served_everywhere(NEW), deadline=30)

    async def make_default(self, space: str) -> None:
        await self.models.set_default(DefaultSpace(space=space, switched_at=datetime.now(UTC)))

    async def embed(self, text: str = "a red apple", *, space: str = "") -> tuple[str, np.ndarray[Any, Any]]:
        answer = await self.stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=[text], space=space), timeout=30)
        return answer.space, np.frombuffer(answer.vectors.data, "<f4")

    async def collection(self, name: str, space: str = OLD, *, shadow_of: str | None = None) -> CollectionOnTheBus:
        dimension = DIMENSIONS[space]
        spec = CollectionSpec.model_validate(
            {
                "name": new_shadow_name(shadow_of) if shadow_of else name,
                "fields": {
                    "image": {"source": "image", "dimension": dimension},
                    "text": {"source": "text", "dimension": dimension},
                    "mine": {"source": "user", "dimension": 3},
                },
                "metadata": {"price": {"type": "integer"}},
            }
        )
        record = CollectionRecord(
            spec=spec, uid=f"uid{len(spec.name)}", created_at=datetime.now(UTC), space=space, shadow_of=shadow_of
        )
        return await followed(self.bus, record)

    async def with_shadow(self, name: str) -> tuple[CollectionOnTheBus, CollectionOnTheBus]:
        """A collection and a shadow of it in the new space, to which new items are passed on."""
        collection = await self.collection(name)
        shadow = await self.collection(name, NEW, shadow_of=name)
        await CollectionRegistry(self.bus).change(
            name, lambda record: record.model_copy(update={"shadows": (shadow.name,)})
        )
        await wait_until(lambda: self.directory.passing_on_to(shadow.name), deadline=30)
        return collection, shadow

    async def left_in(self, stream: str) -> int:
        return (await self.bus.jetstream.stream_info(stream)).state.messages


@asynccontextmanager
async def models_world(server: NatsServer, folder: Path, **environment: str) -> AsyncIterator[ModelsWorld]:
    """A running embedder with the old model; leaving stops it."""
    bundles = [
        await asyncio.to_thread(make_small_bundle, folder, space.removeprefix("small-"), dimension=dimension)
        for space, dimension in DIMENSIONS.items()
    ]
    embedder = embedder_process(
        server, folder / "blobs", bundles[0], folder / "cache", SIGHTWIRE_EMBEDDER_ID="e1", **environment
    )
    blobs = open_blob_store(embedder.settings.blobs_url)
    new_model = await store_bundle(blobs, bundles[1])
    async with (
        embedder,
        Bus(embedder.settings, name="test") as bus,
        EmbedderDirectory(bus) as directory,
        grpc.aio.insecure_channel(f"127.0.0.1:{embedder.port}") as channel,
    ):
        world = ModelsWorld(
            embedder,
            bus,
            blobs,
            EmbeddingModels(bus),
            directory,
            new_model,
            embedder_pb2_grpc.EmbedderStub(channel),  # type: ignore[no-untyped-call]
        )
        await wait_until(embedder.is_ready, deadline=60)
        yield world
        if embedder.is_running:
            assert await embedder.stop() == 0
