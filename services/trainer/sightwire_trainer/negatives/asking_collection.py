"""Asks a live collection, by its own vectors, for what it finds near to each sample."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import numpy as np

from sightwire.client import ApiError, Sightwire
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import HardNegatives
from sightwire_trainer.negatives.alikeness import Rows
from sightwire_trainer.negatives.nearest_wrong import NONE

_log = logging.getLogger(__name__)

#: Questions on their way at a time: enough that the gateway always has the next one, too few to crowd others out.
_AT_ONCE: Final = 8


def require_collection(gateway: str, collection: str) -> None:
    """Does nothing when the collection exists.

    Raises:
        sightwire.client.ApiError, ConnectionFailedError: the platform knows no such collection, or does not answer.
    """
    with Sightwire(gateway) as platform:
        platform.collections.get(collection)


def answers_of_collection(configuration: HardNegatives, keys: Sequence[str], captions: Iterable[str]) -> Rows:
    """Numbers of the samples that the collection finds for each, best first: int64 [samples, depth].

    Items that are no samples are left out, and rows end with `NONE`. A sample is known by its key, which is the item's
    id; those that share theirs with another one are never answers. Equal captions are asked once.

    Raises:
        InvalidInputError: no answer is a sample.
        sightwire.client.ApiError, ConnectionFailedError: the platform refuses, or does not answer.
    """
    collection = configuration.collection
    assert collection is not None, "the model itself is asked where there is no collection"
    questions = list(captions) if configuration.ask_by == "caption" else list(keys)
    distinct = list(dict.fromkeys(questions))
    with Sightwire(configuration.gateway) as platform, ThreadPoolExecutor(_AT_ONCE, "hard-negatives") as threads:
        found = threads.map(lambda question: _ids(platform, collection, question, configuration), distinct)
        ids = dict(zip(distinct, found, strict=True))
    numbers = _numbers_by_key(keys)
    answers = np.full((len(keys), configuration.depth), NONE, np.int64)
    for row, question in enumerate(questions):
        known = [numbers[item] for item in ids[question] if item in numbers]
        answers[row, : len(known)] = known
    if np.all(answers == NONE):
        example = next((items[0] for items in ids.values() if items), None)
        raise InvalidInputError(
            f"no answer of collection {collection!r} is a sample: expected items whose ids are keys of samples, such "
            f"as {keys[0]!r}, got {'nothing' if example is None else f'ids such as {example!r}'}; put the samples into "
            "the collection by their keys, or mine by the model itself, without a collection"
        )
    return answers


def _ids(platform: Sightwire, collection: str, question: str, configuration: HardNegatives) -> list[str]:
    text, item = (question, None) if configuration.ask_by == "caption" else (None, question)
    try:
        results = platform.search(collection, text=text, item=item, fields=configuration.fields, k=configuration.depth)
    except ApiError as error:
        is_no_item = error.http_status == httpx.codes.NOT_FOUND and error.kind != "unknown-collection"
        if configuration.ask_by == "document" and is_no_item:
            return []
        raise
    return [hit.id for hit in results.hits]


def _numbers_by_key(keys: Sequence[str]) -> dict[str, int]:
    times = Counter(keys)
    shared = sum(count for count in times.values() if count > 1)
    if shared:
        _log.warning("%d samples share their keys with others, so that no collection tells them apart", shared)
    return {key: number for number, key in enumerate(keys) if times[key] == 1}
