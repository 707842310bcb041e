"""Items with vectors of the user's own into a running platform, as fast as it takes them."""

import base64
import math
from collections.abc import Sequence
from typing import Final

import httpx
import orjson

from bench.merging_load import send_steadily
from bench.search.task import Matrix, Rows
from bench.written_index import BUCKET, FIELD

_ITEMS_PER_REQUEST: Final = 512
_REQUEST_SECONDS: Final = 120.0


def item_batches(vectors: Matrix, buckets: Rows, *, first: int) -> list[bytes]:
    """Bodies of `items:batch`, with row numbers from `first` on as ids."""
    items = [
        {
            "id": str(first + number),
            "metadata": {BUCKET: bucket},
            "vectors": {FIELD: base64.b64encode(vector.tobytes()).decode()},
        }
        for number, (vector, bucket) in enumerate(zip(vectors, buckets.tolist(), strict=True))
    ]
    starts = range(0, len(items), _ITEMS_PER_REQUEST)
    return [orjson.dumps({"items": items[start : start + _ITEMS_PER_REQUEST]}) for start in starts]


async def post_items(gateway_url: str, collection: str, batches: Sequence[bytes]) -> None:
    """Returns when all are accepted.

    Raises:
        ExceptionGroup: the platform refused an item.
    """
    async with httpx.AsyncClient(base_url=gateway_url, timeout=_REQUEST_SECONDS) as http:
        await send_steadily(http, collection, batches, batches_per_second=math.inf)
