"""The demo collection: a few hundred public-domain drawings with captions, loaded through the public API."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightwire.client import ApiError, AsyncSightwire, ConnectionFailedError, ItemStatus

DEMO_COLLECTION = "demo"
_FOLDER = Path(__file__).parent / "demo"
_DESCRIPTION = "Public-domain drawings of the Open Clip Art Library"
_METADATA = {"topic": {"type": "string"}, "title": {"type": "string"}, "path": {"type": "string"}}
# Enough for the embedder to fill its batches.
_ITEMS_IN_FLIGHT = 32
_ITEM_SECONDS = 120.0


@dataclass(frozen=True)
class DemoItem:
    """One drawing with its caption."""

    id: str
    picture: Path
    text: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]


def read_demo_items(folder: Path = _FOLDER) -> list[DemoItem]:
    """The shipped drawings, in the order of their captions file."""
    items = []
    for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        items.append(
            DemoItem(
                id=entry["id"],
                picture=folder / "pictures" / entry["picture"],
                text=entry["text"],
                tags=tuple(entry["tags"]),
                metadata=entry["metadata"],
            )
        )
    return items


class DemoMarker:
    """Remembers in the data directory that the demo was loaded, so that a deleted demo stays deleted."""

    def __init__(self, data_directory: Path) -> None:
        self._path = data_directory / "demo-loaded"

    @property
    def is_set(self) -> bool:
        """Whether this version of the demo was loaded completely."""
        return self._path.exists() and self._path.read_text(encoding="utf-8").strip() == _demo_digest()

    def set(self) -> None:
        """Remember it."""
        self._path.write_text(_demo_digest() + "\n", encoding="utf-8")


async def load_demo(url: str, on_progress: Callable[[int, int], None], *, api_key: str | None = None) -> list[str]:
    """Put every demo item and return once all are searchable; what went wrong, one line for each item.

    `on_progress` gets the number of items that are done, and of all. Raises ApiError or ConnectionFailedError when the
    collection cannot be made.
    """
    items = read_demo_items()
    problems: list[str] = []
    done = 0
    slots = asyncio.Semaphore(_ITEMS_IN_FLIGHT)
    async with AsyncSightwire(url, api_key=api_key) as sightwire:
        await _ensure_collection(sightwire)

        async def load(item: DemoItem) -> None:
            nonlocal done
            async with slots:
                try:
                    status = await _put_until_final(sightwire, item)
                except (ApiError, ConnectionFailedError) as error:
                    problems.append(f"{item.id}: {error}")
                else:
                    if status.state != "searchable":
                        problems.append(f"{item.id}: {status.state}: {status.reason}")
            done += 1
            on_progress(done, len(items))

        on_progress(0, len(items))
        async with asyncio.TaskGroup() as tasks:
            for item in items:
                tasks.create_task(load(item))
    return problems


async def _ensure_collection(sightwire: AsyncSightwire) -> None:
    try:
        await sightwire.collections.create(DEMO_COLLECTION, description=_DESCRIPTION, metadata=_METADATA)
    except ApiError as error:
        if error.kind != "conflict":
            raise


async def _put_until_final(sightwire: AsyncSightwire, item: DemoItem) -> ItemStatus:
    return await sightwire.items.put(
        DEMO_COLLECTION,
        id=item.id,
        image=item.picture,
        text=item.text,
        tags=item.tags,
        metadata=item.metadata,
        wait=True,
        timeout=_ITEM_SECONDS,
    )


def _demo_digest() -> str:
    return hashlib.sha256((_FOLDER / "captions.jsonl").read_bytes()).hexdigest()
