"""What makes stored items anew in a shadow; pure."""

import base64
from typing import Any

import orjson

from sightwire.bus.reembedding import VersionedEvent
from sightwire.contracts.documents import ItemDocument
from sightwire.contracts.events import BlobReference, ImageSource, IngestEvent, Operation
from sightwire.v1 import searcher_pb2


def renewal(item: searcher_pb2.StoredItem) -> VersionedEvent:
    """The event that makes a stored item anew, in its version; its picture is the stored one."""
    document: ItemDocument = orjson.loads(item.document)
    members: dict[str, Any] = {
        "id": document["id"],
        "text": document.get("text"),
        "tags": document["tags"],
        "metadata": document["metadata"],
        "time": document["time"],
        "vectors": {of.field: base64.b64encode(of.matrix.data).decode() for of in item.vectors},
    }
    image = document.get("image")
    if image is not None:
        reference = BlobReference(
            blob=image["blob"],
            sha256=image["sha256"],
            media_type=image["media_type"],
            bytes=image["bytes"],
            width=image["width"],
            height=image["height"],
        )
        members["image"] = ImageSource(blob=reference, filename=image["filename"])
    return VersionedEvent(item.version, IngestEvent.model_validate(members))


def deletion(item_id: str, version: int) -> VersionedEvent:
    """The event that removes what a shadow has of an item below a version."""
    return VersionedEvent(version, IngestEvent(id=item_id, operation=Operation.DELETE))
