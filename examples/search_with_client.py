"""Create a collection, put pictures and texts, and search them in every way the client offers.

Usage: search_with_client.py [--url http://127.0.0.1:8200]
"""

import argparse
from pathlib import Path

from sightwire.client import ApiError, SearchResults, Sightwire

COLLECTION = "example-shop"
PICTURES = Path(__file__).parents[1] / "sightwire" / "platform" / "demo" / "pictures"
WARES = [
    ("red-car", "red-car.webp", "a small red car", ["toy"], 12.5),
    ("guitar", "acoustic-guitar.webp", "an acoustic guitar", ["music"], 180.0),
    ("rocket", "rocket-with-flames.webp", "a rocket with flames", ["toy"], 25.0),
]


def main(url: str | None) -> None:
    with Sightwire(url) as sightwire:
        try:
            sightwire.collections.create(COLLECTION, metadata={"price": {"type": "float"}})
        except ApiError as error:
            if error.kind != "conflict":  # it exists already
                raise

        for ware_id, picture, text, tags, price in WARES:
            status = sightwire.items.put(
                COLLECTION,
                id=ware_id,
                image=PICTURES / picture,
                text=text,
                tags=tags,
                metadata={"price": price},
                wait=True,
            )
            print(f"{status.id}: {status.state}, {status.objects or 0} objects found in it")

        show("by text", sightwire.search(COLLECTION, text="something that flies to the moon", k=2))
        show("by picture", sightwire.search(COLLECTION, image=PICTURES / "red-truck.webp", k=2))
        show("by another item", sightwire.search(COLLECTION, item="guitar", k=2))
        cheap = {"metadata": {"field": "price", "op": "lte", "value": 20}}
        show("cheap ones only", sightwire.search(COLLECTION, text="a present", filter=cheap))


def show(title: str, results: SearchResults) -> None:
    print(f"{title} ({results.took_ms:.1f} ms):")
    for hit in results.hits:
        print(f"  {hit.score:.3f}  {hit.id}  {hit.item.get('text')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=None, help="default: SIGHTWIRE_URL or http://127.0.0.1:8200")
    main(parser.parse_args().url)
