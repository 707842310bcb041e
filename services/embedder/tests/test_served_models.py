"""Which models answer: none vanishes from under those who use it, and none is the default before it is there."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_embedder.models.served_models import NotServedError, ServedModel, ServedModels

from sightwire.contracts.models import ModelId


def served(space: str, version: str = "1") -> ServedModel:
    # Of an engine only its space is looked at here; that engines work is tested with real ones.
    engine = cast("EmbeddingEngine", SimpleNamespace(spec=SimpleNamespace(space=space)))
    return ServedModel(engine, ModelId(name=space, version=version), version * 64)


async def test_a_model_that_is_taken_away_is_unused_when_the_last_is_done():
    models = ServedModels(served("a"))
    models.add(served("b"))
    with models.use("b") as engine:
        taken = models.take_away("b")
        unused = asyncio.create_task(taken.wait_until_unused())
        await asyncio.sleep(0)
        assert not unused.done()
        assert engine is taken.engine
        with pytest.raises(NotServedError), models.use("b"):
            pytest.fail("nobody else gets it")
    async with asyncio.timeout(5):
        await unused


async def test_a_model_that_replaces_another_answers_at_once():
    models = ServedModels(served("a"))
    first, second = served("b", "1"), served("b", "2")
    assert models.add(first) is None
    with models.use("b") as engine:
        assert models.add(second) is first
        assert engine is first.engine
        with models.use("b") as other:
            assert other is second.engine


def test_the_default_is_always_one_that_is_served():
    models = ServedModels(served("a"))
    models.make_default("b")
    assert models.default_space == "a", "it is not there yet"
    models.add(served("b"))
    models.make_default("b")
    with models.use() as engine:
        assert engine.spec.space == "b"
    models.take_away("b")
    assert models.default_space == "a"
    models.make_default(None)
    assert models.default_space == "a"


def test_what_is_missing_is_refused_with_the_reason():
    models = ServedModels(served("a"))
    models.loading.add("b")
    models.failed["c"] = "a file is damaged"
    for space, reason in (
        ("b", "is being loaded; try again"),
        ("c", "cannot be served: a file is damaged"),
        ("d", "no model of space 'd' is served; this embedder serves 'a'"),
    ):
        with pytest.raises(NotServedError, match=reason), models.use(space):
            pytest.fail("it is not served")
