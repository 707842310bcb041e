"""Put every picture of a folder into a collection, many at once, and wait until all can be found.

Usage: ingest_folder.py FOLDER [--collection photos] [--url http://127.0.0.1:8200]
`sightwire ingest` does the same with a progress bar, and goes on where it was interrupted.
"""

import argparse
import asyncio
import time
from pathlib import Path

from sightwire.client import ApiError, AsyncSightwire

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
REQUESTS_AT_ONCE = 32


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


async def main(folder: Path, collection: str, url: str | None) -> None:
    pictures = await asyncio.to_thread(pictures_in, folder)
    slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async with AsyncSightwire(url) as sightwire:
        try:
            await sightwire.collections.create(collection)
        except ApiError as error:
            if error.kind != "conflict":  # it exists already
                raise

        async def put(path: Path) -> bool:
            async with slots:
                try:
                    status = await sightwire.items.put(
                        collection, id=path.relative_to(folder).as_posix(), image=path, wait=True, timeout=120
                    )
                except ApiError as error:
                    print(f"{path}: {error}")
                    return False
            if status.state != "searchable":
                print(f"{path}: {status.state}: {status.reason}")
            return status.state == "searchable"

        started_at = time.monotonic()
        results = await asyncio.gather(*map(put, pictures))
        seconds = time.monotonic() - started_at
        print(f"{sum(results)} of {len(pictures)} pictures searchable after {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--collection", default="photos")
    parser.add_argument("--url", default=None, help="default: SIGHTWIRE_URL or http://127.0.0.1:8200")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.folder, arguments.collection, arguments.url))
