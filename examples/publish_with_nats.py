"""Publish an ingest event with nothing but nats-py, and find the item a moment later.

Usage: publish_with_nats.py [--data-dir data] [--url http://127.0.0.1:8200]
"""

import argparse
import asyncio
import json
import uuid
from pathlib import Path

import nats

from sightwire.client import ApiError, AsyncSightwire, ItemStatus

COLLECTION = "notes"


async def main(data_directory: Path, url: str) -> None:
    # `sightwire up` writes the bus's address and credentials here, readable by its owner only.
    access = json.loads((data_directory / "nats" / "access.json").read_text())
    item_id = f"note-{uuid.uuid4().hex[:8]}"

    async with AsyncSightwire(url) as sightwire:
        try:
            await sightwire.collections.create(COLLECTION, description="Texts that came over the bus")
        except ApiError as error:
            if error.kind != "conflict":  # it exists already
                raise

        connection = await nats.connect(access["url"], user=access["user"], password=access["password"])
        event = {"id": item_id, "text": "The lighthouse keeper rows home through the storm", "tags": ["sea"]}
        acknowledgement = await connection.jetstream().publish(
            f"ingest.{COLLECTION}",
            json.dumps(event).encode(),
            # A publisher that is not sure may publish again: the same Nats-Msg-Id is stored once.
            headers={"Nats-Msg-Id": item_id},
        )
        await connection.drain()
        print(f"published {item_id}: sequence {acknowledgement.seq} of stream {acknowledgement.stream}")

        status = await _wait_until_known(sightwire, item_id)
        print(f"{status.id} is {status.state} as version {status.version}")

        found = await sightwire.search(COLLECTION, text="a man in a boat in bad weather", k=3)
        for hit in found.hits:
            print(f"{hit.score:.3f}  {hit.id}  {hit.item.get('text')}")


async def _wait_until_known(sightwire: AsyncSightwire, item_id: str) -> ItemStatus:
    """Items that come over the bus get a status when the embedder has taken them, a moment after publishing."""
    for _ in range(100):
        try:
            return await sightwire.items.wait(COLLECTION, item_id)
        except ApiError as error:
            if error.http_status != 404:
                raise
        await asyncio.sleep(0.05)
    raise SystemExit(f"{item_id} was never taken: look at `sightwire dlq list`")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--url", default=None, help="default: SIGHTWIRE_URL or http://127.0.0.1:8200")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.data_dir, arguments.url))
