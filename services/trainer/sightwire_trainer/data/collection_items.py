"""Items of a collection of the platform as samples, downloaded once into a tar."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sightwire.client import Sightwire
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import CollectionSource
from sightwire_trainer.data.captioned import captioned_sample
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar

_ITEMS_PER_PAGE = 200
#: Members of an item's metadata that may hold its caption, the first that does counts.
_CAPTION_MEMBERS = ("name", "title", "caption")


def collection_tar(source: CollectionSource, cache: Path) -> Path:
    """The tar in `cache` with the collection's samples, downloaded unless it is there.

    It stays as it is while the collection changes, so that an interrupted run goes on with the same samples; remove it
    to take them anew.

    Raises:
        InvalidInputError: no item has what a sample needs.
        sightwire.client.ApiError, ConnectionFailedError: the platform refuses, or does not answer.
    """
    gateway = hashlib.sha256(source.gateway.encode()).hexdigest()[:12]
    path = cache / f"{source.name}-{gateway}.tar"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with Sightwire(source.gateway) as platform:
        if write_tar(path, _samples(platform, source.name)) == 0:
            path.unlink()
            raise InvalidInputError(
                f"no item of collection {source.name!r} can be trained on: a picture needs a text or one of the "
                f"metadata {', '.join(_CAPTION_MEMBERS)}, and a text one of these metadata"
            )
    return path


def item_captions(item: Mapping[str, object]) -> dict[str, object] | None:
    """What an item says of its sample; None when it lacks a document or a caption.

    The caption of a picture is its text, else `name`, `title` or `caption` of its metadata. Items without a picture are
    text-text pairs: the text is the document, the metadata have the caption. Tags are the keywords; `description`,
    `concept`, `source` and `licence` are metadata.
    """
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    text, titles = item.get("text"), [metadata[member] for member in _CAPTION_MEMBERS if metadata.get(member)]
    has_picture = "image" in item
    names = [text, *titles] if has_picture else titles
    name = next((name for name in names if isinstance(name, str) and name.strip()), None)
    if name is None or not (has_picture or text):
        return None
    facts: dict[str, object] = {"key": item["id"], "name": name, "keywords": item.get("tags")}
    if not has_picture:
        facts["text"] = text
    return facts | {member: metadata.get(member) for member in ("description", "concept", "source", "licence")}


def _samples(platform: Sightwire, collection: str) -> Iterator[Sample]:
    for item in _items(platform, collection):
        facts = item_captions(item)
        if facts is None:
            continue
        key = str(item["id"])
        image = platform.items.picture(collection, key) if "image" in item else None
        yield captioned_sample(facts, key=key, where=f"collection {collection!r}, {key}", image=image)


def _items(platform: Sightwire, collection: str) -> Iterator[dict[str, object]]:
    cursor = None
    while True:
        page = platform.items.list(collection, limit=_ITEMS_PER_PAGE, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
