"""The Python client of the native API: `Sightwire`, and `AsyncSightwire` with the same methods as coroutines.

Example::

    from sightwire.client import Sightwire

    with Sightwire() as sightwire:
        sightwire.collections.create("holidays")
        sightwire.items.put("holidays", image=Path("beach.jpg"), text="a beach", wait=True)
        for hit in sightwire.search("holidays", text="sand and sea").hits:
            print(hit.id, hit.score)
"""

from sightwire.client.asynchronous import AsyncSightwire
from sightwire.client.calls import Picture
from sightwire.client.models import (
    BatchResult,
    Collection,
    CollectionSummary,
    Facet,
    FacetValue,
    Highlight,
    Hit,
    ItemPage,
    ItemStatus,
    Match,
    MatchedObject,
    Predictions,
    QueryMatches,
    SearchResults,
    UploadedPicture,
)
from sightwire.client.problems import ApiError, ConnectionFailedError
from sightwire.client.synchronous import Sightwire
from sightwire.contracts.operations import OperationRecord, OperationState

__all__ = [
    "ApiError",
    "AsyncSightwire",
    "BatchResult",
    "Collection",
    "CollectionSummary",
    "ConnectionFailedError",
    "Facet",
    "FacetValue",
    "Highlight",
    "Hit",
    "ItemPage",
    "ItemStatus",
    "Match",
    "MatchedObject",
    "OperationRecord",
    "OperationState",
    "Picture",
    "Predictions",
    "QueryMatches",
    "SearchResults",
    "Sightwire",
    "UploadedPicture",
]
