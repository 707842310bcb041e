"""What embedders are told to serve, and what they say they serve, on a real server."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from sightwire.bus.connection import Bus
from sightwire.bus.embedders import EmbedderDirectory, announce_embedder, withdraw_embedder
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.contracts.embedding_models import DefaultSpace, EmbedderAnnouncement, EmbeddingModel
from sightwire.contracts.models import ModelId
from sightwire.contracts.streams import EMBEDDING_MODELS
from sightwire.errors import ConflictError, NotFoundError
from tests.plugin.waiting import Eventually

NewName = Callable[..., str]

NOW = datetime.now(UTC)


def model(space: str, version: str = "2") -> EmbeddingModel:
    return EmbeddingModel(
        model=ModelId(name="small", version=version), space=space, bundle_sha256="0" * 64, files=(), requested_at=NOW
    )


async def test_models_are_followed_until_they_are_removed(bus: Bus, unique_name: NewName) -> None:
    models, space = EmbeddingModels(bus), unique_name("space")
    async with aclosing(models.follow()) as followed, asyncio.timeout(10):
        before = await anext(followed)
        assert space not in before.models
        await models.put(model(space))
        assert (await anext(followed)).models[space] == model(space)
        await models.put(model(space, "3"))
        assert (await anext(followed)).models[space].model.version == "3"
        assert model(space, "3") in await models.all()
        await models.set_default(DefaultSpace(space=space, switched_at=NOW))
        switched = await anext(followed)
        assert switched.default is not None
        assert switched.default.space == space
        with pytest.raises(ConflictError, match="switch to another one first"):
            await models.remove(space)
        await models.clear_default()
        assert (await anext(followed)).default is None
        await models.remove(space)
        assert space not in (await anext(followed)).models
    with pytest.raises(NotFoundError, match="no embedder was told to serve"):
        await models.remove(space)


async def test_a_value_that_cannot_be_read_hides_no_other(bus: Bus, unique_name: NewName) -> None:
    models, good, bad = EmbeddingModels(bus), unique_name("space"), unique_name("space")
    await (await bus.bucket(EMBEDDING_MODELS)).put(bad, b'{"of": "a later version"}')
    await models.put(model(good))
    wanted = await models.wanted()
    assert good in wanted.models
    assert bad not in wanted.models
    await models.remove(good)
    await (await bus.bucket(EMBEDDING_MODELS)).delete(bad)


async def test_a_space_is_served_when_every_live_embedder_serves_it(
    bus: Bus, unique_name: NewName, eventually: Eventually
) -> None:
    first, second, space, shadow = unique_name("e1"), unique_name("e2"), unique_name("space"), unique_name("shadow")
    ready = EmbedderAnnouncement(
        embedder=first,
        address="127.0.0.1:1",
        default_space="one",
        serving={"one": ModelId(name="small", version="1"), space: ModelId(name="small", version="2")},
        shadows=(shadow,),
        announced_at=NOW,
    )
    broken = EmbedderAnnouncement(
        embedder=second,
        address="127.0.0.1:2",
        default_space="one",
        serving={"one": ModelId(name="small", version="1")},
        failed={space: "a file is not the registered one"},
        announced_at=NOW,
    )
    async with EmbedderDirectory(bus) as directory:
        assert not directory.served_everywhere(space)
        await announce_embedder(bus, ready)
        await eventually(lambda: directory.served_everywhere(space) and directory.passing_on_to(shadow))
        await announce_embedder(bus, broken)
        await eventually(lambda: directory.failures(space) == {second: "a file is not the registered one"})
        assert not directory.served_everywhere(space)
        assert not directory.passing_on_to(shadow)
        await withdraw_embedder(bus, second)
        await eventually(lambda: directory.served_everywhere(space))
        await withdraw_embedder(bus, first)
        await eventually(lambda: not directory.all())
