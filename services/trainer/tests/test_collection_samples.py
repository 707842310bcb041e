"""A collection of a real platform as a source of samples."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sightwire_trainer.configuration import CollectionSource
from sightwire_trainer.data.collection_items import item_captions
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.sources import open_source

from services.trainer.tests.drawn_samples import drawing
from sightwire.client import AsyncSightwire
from sightwire.errors import InvalidInputError
from sightwire.platform.running_platform import RunningPlatform


@pytest.mark.parametrize(
    ("item", "name", "text"),
    [
        ({"id": "1", "image": {}, "text": "a boat", "metadata": {"title": "not this"}}, "a boat", None),
        ({"id": "1", "image": {}, "metadata": {"title": "a boat"}}, "a boat", None),
        ({"id": "1", "text": "Boats float.", "metadata": {"caption": "boats"}}, "boats", "Boats float."),
    ],
)
def test_captions_of_items(item: dict[str, object], name: str, text: str | None) -> None:
    captions = item_captions(item)
    assert captions is not None
    assert (captions["name"], captions.get("text")) == (name, text)


@pytest.mark.parametrize(
    "item", [{"id": "1", "image": {}}, {"id": "1", "text": "no caption"}, {"id": "1", "metadata": {"name": "nothing"}}]
)
def test_items_without_a_document_or_a_caption(item: dict[str, object]) -> None:
    assert item_captions(item) is None


async def test_a_collection_is_downloaded_once(
    platform: RunningPlatform, async_client: AsyncSightwire, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    name = unique_name("samples")
    await async_client.collections.create(name, metadata={"title": {"type": "string"}, "licence": {"type": "string"}})
    source = CollectionSource(name=name, gateway=platform.gateway_url)
    with pytest.raises(InvalidInputError, match="can be trained on"):
        await asyncio.to_thread(open_source, source, cache=tmp_path)

    put = async_client.items.put
    metadata = {"title": "boats", "licence": "MIT"}
    await put(name, id="a/boat", image=drawing(1), text="a boat", tags=["sea"], metadata=metadata, wait=True)
    await put(name, id="words", text="Boats float.", metadata=metadata, wait=True)
    await put(name, id="no caption", image=drawing(2), wait=True)
    samples = await asyncio.to_thread(lambda: {sample.key: sample for sample in open_source(source, cache=tmp_path)})
    assert samples == {
        "a/boat": Sample("a/boat", "a boat", drawing(1), keywords=("sea",), licence="MIT"),
        "words": Sample("words", "boats", text="Boats float.", licence="MIT"),
    }

    await async_client.collections.delete(name)
    assert len(open_source(source, cache=tmp_path)) == 2


def test_a_collection_needs_a_place_to_be_kept() -> None:
    with pytest.raises(InvalidInputError, match="give a folder"):
        open_source(CollectionSource(name="shop"))
