"""Items of a collection, and people who search it and put, change and delete them all the while."""

import asyncio
import base64
import io
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from services.embedder.tests.small_bundles import captions
from sightwire.client import AsyncSightwire
from sightwire.errors import SightwireError
from tests.plugin.waiting import Eventually

ITEMS = 200
#: Between a query or a change and the next one: others need the machine, too.
_THINKING_SECONDS = 0.05
CAPTIONS = captions(2 * ITEMS)


def picture(number: int) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (number % 256, 10, 200)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def item(number: int) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"item-{number}", "text": CAPTIONS[number], "tags": ["old"]}
    if number % 20 == 5:
        made["image"] = {"data": picture(number), "filename": f"{number}.png"}
    if number % 3 == 0:
        made["vectors"] = {"own": [1.0, float(number), 2.0]}
    return made


async def listed(client: AsyncSightwire, collection: str) -> dict[str, str]:
    """Texts of all items by id; each is there once."""
    found: list[Any] = []
    cursor = None
    while True:
        page = await client.items.list(collection, limit=100, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert set(Counter(one["id"] for one in found).values()) <= {1}
    return {one["id"]: one["text"] for one in found}


@dataclass
class Traffic:
    """What became of queries and changes that went on all the while."""

    client: AsyncSightwire
    collection: str
    texts: dict[str, str]
    answered: int = 0
    changed: int = 0
    problems: list[str] = field(default_factory=list)
    #: What was begun is ended then: whether it counts must not be left open.
    is_over: bool = False

    async def search(self) -> None:
        for number in itertools.takewhile(lambda _: not self.is_over, itertools.count()):
            text = CAPTIONS[number % ITEMS]
            try:
                found = await self.client.search(self.collection, text=text, k=10, fields=["text"])
            except SightwireError as error:
                self.problems.append(f"query {text!r}: {error}")
                continue
            self.answered += 1
            await asyncio.sleep(_THINKING_SECONDS)
            if f"item-{number % ITEMS}" not in {hit.id for hit in found.hits} and number % ITEMS % 10 > 1:
                self.problems.append(f"query {text!r} found {[hit.id for hit in found.hits]}")

    async def change(self) -> None:
        """New items, changed ones, deleted ones; those whose number ends with 2 to 9 stay as they are."""
        for number in itertools.takewhile(lambda _: not self.is_over, itertools.count()):
            old = f"item-{10 * (number % (ITEMS // 10)) + number % 2}"
            text = CAPTIONS[ITEMS + number % ITEMS]
            try:
                await self.client.items.put(self.collection, id=f"new-{number}", text=text)
                self.texts[f"new-{number}"] = text
                if number % 2:
                    await self.client.items.delete(self.collection, old)
                    self.texts.pop(old, None)
                else:
                    await self.client.items.put(self.collection, id=old, text=text)
                    self.texts[old] = text
            except SightwireError as error:
                self.problems.append(f"change {number}: {error}")
            self.changed += 1
            await asyncio.sleep(_THINKING_SECONDS)

    async def goes_on(self, eventually: Eventually) -> None:
        """Returns after some more queries and changes."""
        answered, changed = self.answered + 20, self.changed + 5
        await eventually(lambda: self.answered > answered and self.changed > changed, deadline=60)


@asynccontextmanager
async def traffic(client: AsyncSightwire, collection: str) -> AsyncIterator[Traffic]:
    going = Traffic(client, collection, await listed(client, collection))
    tasks = [asyncio.create_task(going.search()), asyncio.create_task(going.change())]
    try:
        yield going
    finally:
        going.is_over = True
        await asyncio.gather(*tasks)


def labelled(folder: Path) -> Path:
    """Queries that each text encoder worth the name can answer; of items that stay as they are."""
    file = folder / "queries.jsonl"
    numbers = [number for number in range(ITEMS) if number % 10 > 5]
    lines = [json.dumps({"query": CAPTIONS[number], "relevant": [f"item-{number}"]}) for number in numbers]
    file.write_text("\n".join(lines))
    return file
