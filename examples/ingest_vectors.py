"""Put vectors of your own into a collection with two named fields, in batches of a mebibyte, and search each field.

Usage: ingest_vectors.py [--collection papers] [--rows 2000] [--url http://127.0.0.1:8200]; needs NumPy.
For vectors in files, `sightwire ingest` does the same: see "Vectors of your own" in docs/running.md.
"""

import argparse
import asyncio
import time

import numpy as np

from sightwire.client import ApiError, AsyncSightwire

DIMENSION = 384
FIELDS = {"title": {"dimension": DIMENSION}, "body": {"dimension": DIMENSION, "metric": "dot"}}
BATCH_ROWS = 256  # two vectors of 384 numbers are 4 KiB in base64
REQUESTS_AT_ONCE = 4


async def main(collection: str, rows: int, url: str | None) -> None:
    random = np.random.default_rng(7)
    titles = random.standard_normal((rows, DIMENSION), np.float32)
    bodies = random.standard_normal((rows, DIMENSION), np.float32)
    slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async with AsyncSightwire(url) as sightwire:
        try:
            await sightwire.collections.create(collection, fields=FIELDS)
        except ApiError as error:
            if error.kind != "conflict":  # it exists already
                raise

        async def put(first: int) -> int:
            last = min(first + BATCH_ROWS, rows)
            items = [
                {"id": f"paper-{row}", "vectors": {"title": titles[row], "body": bodies[row]}, "metadata": {"row": row}}
                for row in range(first, last)
            ]
            async with slots:
                result = await sightwire.items.put_many(collection, items)
            for failed in result.failed:
                print(f"{failed.id}: {failed.reason}")
            return len(result.accepted)

        started_at = time.monotonic()
        accepted = sum(await asyncio.gather(*map(put, range(0, rows, BATCH_ROWS))))
        print(f"{accepted} of {rows} items accepted after {time.monotonic() - started_at:.1f} s")
        status = await sightwire.items.wait(collection, f"paper-{rows - 1}", timeout=120)
        print(f"the last one is {status.state}")

        for field, vectors in (("title", titles), ("body", bodies)):
            results = await sightwire.search(collection, vector=(field, vectors[rows - 1]), k=3)
            print(f"closest by {field}:", ", ".join(f"{hit.id} ({hit.score:.3f})" for hit in results.hits))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", default="papers")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--url", default=None, help="default: SIGHTWIRE_URL or http://127.0.0.1:8200")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.collection, arguments.rows, arguments.url))
