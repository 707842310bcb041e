"""Hard negatives that a collection of a real platform finds."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sightwire_trainer.checkpoints.store import CheckpointStore
from sightwire_trainer.configuration import HardNegatives
from sightwire_trainer.negatives.asking_collection import answers_of_collection
from sightwire_trainer.negatives.nearest_wrong import NONE
from sightwire_trainer.training.run import train

from services.trainer.tests.drawn_samples import drawing
from services.trainer.tests.tiny_runs import parsed, text_content
from sightwire.client import ApiError, AsyncSightwire
from sightwire.contracts.training import RunState
from sightwire.errors import InvalidInputError
from sightwire.platform.running_platform import RunningPlatform

_CAPTIONS = {
    "boat": "a boat on the sea",
    "ship": "a ship on the sea",
    "ferry": "a ferry on the sea",
    "cat": "a cat asleep",
    "kitten": "a kitten asleep",
    "dog": "a dog asleep",
}


@pytest.fixture
async def collection(async_client: AsyncSightwire, unique_name: Callable[[str], str]) -> str:
    """Pictures that say nothing, with texts and concepts: boats and ships are one."""
    name = unique_name("mined")
    await async_client.collections.create(name, metadata={"title": {"type": "string"}, "concept": {"type": "string"}})
    for number, (key, caption) in enumerate(_CAPTIONS.items()):
        concept = {"boat": "vessel", "ship": "vessel"}.get(key, key)
        metadata = {"title": caption, "concept": concept}
        await async_client.items.put(name, id=key, image=drawing(number), text=caption, metadata=metadata, wait=True)
    return name


@pytest.mark.parametrize("ask_by", ["caption", "document"])
async def test_a_collection_answers_with_samples(platform: RunningPlatform, collection: str, ask_by: Any) -> None:
    configuration = HardNegatives(
        collection=collection, gateway=platform.gateway_url, fields=("text",), depth=6, ask_by=ask_by
    )
    keys = [*_CAPTIONS, "not in it"]
    captions = [*_CAPTIONS.values(), "a whale in the sea"]
    answers = await asyncio.to_thread(answers_of_collection, configuration, keys, captions)

    assert answers.shape == (7, 6)
    assert not np.isin(answers, [6]).any()
    seaborne = {0, 1, 2}
    for row in range(3):
        assert set(answers[row, : 3 if ask_by == "caption" else 2].tolist()) <= seaborne
    if ask_by == "document":
        assert (answers[6] == NONE).all()
    else:
        assert answers[6, 0] in seaborne


async def test_a_run_mines_in_the_collection_that_it_is_trained_on(
    platform: RunningPlatform, collection: str, tmp_path: Path, bundle_folder: Path
) -> None:
    content = text_content(tmp_path)
    source = {"kind": "collection", "name": collection, "gateway": platform.gateway_url}
    content["data"] |= {"train": [source]}
    content["model"] = {
        "bundle": str(bundle_folder),
        "image": {"kind": "convnet", "depths": [1, 1], "widths": [8, 16]},
        "text": content["model"]["text"],
        "size": 32,
        "dimension": 16,
    }
    content["data"]["validation"], content["data"]["validation_concepts"] = [], 0.2
    content["select_by"] = "text_to_image_recall_at_1"
    mining = {"collection": collection, "gateway": platform.gateway_url, "fields": ["text"], "begin": 0}
    configuration = parsed(content, tmp_path, batch_size=3, objective={"hard_negatives": mining})

    outcome = await asyncio.to_thread(train, configuration, tmp_path / "run", cache=tmp_path / "cache")

    assert outcome.state == RunState.COMPLETED
    last = CheckpointStore(tmp_path / "run" / "checkpoints").last()
    assert last is not None
    assert (last.state["hard_negatives"] != NONE).all()


async def test_collections_that_cannot_answer_are_told(platform: RunningPlatform, collection: str) -> None:
    configuration = HardNegatives(collection=collection, gateway=platform.gateway_url, fields=("text",))
    with pytest.raises(InvalidInputError, match="ids are keys of samples, such as 'whale'"):
        await asyncio.to_thread(answers_of_collection, configuration, ["whale"], ["a whale"])
    unknown = configuration.model_copy(update={"collection": "never-made", "ask_by": "document"})
    with pytest.raises(ApiError, match="never-made"):
        await asyncio.to_thread(answers_of_collection, unknown, ["boat"], ["a boat"])
