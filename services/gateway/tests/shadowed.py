"""A collection with a shadow, made by hand, for the gateway's tests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from services.gateway.tests.http_gateway import RunningGateway
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord, new_collection_uid, new_shadow_name
from sightwire.v1 import searcher_pb2
from tests.plugin.waiting import wait_until

SHADOW_SPACE = "new-space"


@dataclass(frozen=True)
class ShadowedCollection:
    """A collection, its shadow, and the gateway that answers."""

    running: RunningGateway
    registry: CollectionRegistry
    name: str
    shadow: str

    @property
    def path(self) -> str:
        return f"/v1/collections/{self.name}"

    @property
    def record(self) -> CollectionRecord:
        """As the gateway knows it."""
        return self.running.gateway.collections.get(self.name)

    async def change(self, **members: Any) -> None:
        """Changes the collection's record; returns once the gateway knows."""
        changed = await self.registry.change(self.name, lambda record: record.model_copy(update=members))
        await wait_until(lambda: self.record == changed, describe="the gateway's seeing the change")

    async def search(self, **request: Any) -> dict[str, Any]:
        answer = await self.running.http.post(f"{self.path}/search", json={"query": {"text": "a cat"}, **request})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def asked(self) -> list[tuple[str, str]]:
        """Which indexes were searched since the start, each with the space of the query's vector."""
        return [
            (search.collection, search.queries[0].space if search.queries else "")
            for search in self.running.searcher.searches
            if search.collection in (self.name, self.shadow)
        ]


MakeShadowed = Callable[..., Awaitable[ShadowedCollection]]


async def make_shadowed(running: RunningGateway, bus: Bus, name: str, **spec: Any) -> ShadowedCollection:
    """Makes a collection with a shadow in another space; its own index answers."""
    await running.make_collection(name, **spec)
    registry, record, shadow = CollectionRegistry(bus), running.gateway.collections.get(name), new_shadow_name(name)
    await registry.create(
        record.model_copy(
            update={
                "spec": record.spec.model_copy(update={"name": shadow}),
                "uid": new_collection_uid(),
                "space": SHADOW_SPACE,
                "class_names": ("dog",),
                "shadow_of": name,
            }
        )
    )
    shadowed = ShadowedCollection(running, registry, name, shadow)
    await shadowed.change(shadows=(shadow,))
    for index in (name, shadow):
        running.searcher.hits_of[index] = [hit(f"{word}-of-{index}") for word in ("best", "good")]
    return shadowed


def hit(item_id: str, document: bytes = b'{"id":"x","tags":[],"metadata":{}}') -> searcher_pb2.Hit:
    return searcher_pb2.Hit(item_id=item_id, score=0.5, document=document)
