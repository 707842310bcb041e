"""The public form of an embedded item, and its declared metadata as the index's columns want it. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from sightwire.contracts.collections import MetadataType, metadata_value
from sightwire.contracts.documents import DetectionDocument, ImageDocument, ItemDocument
from sightwire.errors import InvalidInputError
from sightwire.v1 import embedder_pb2, events_pb2

_MICROSECONDS: Final = 1_000_000


def public_document(item: events_pb2.EmbeddedItem, metadata: dict[str, object]) -> bytes:
    """The item as JSON (`ItemDocument`), as every answer will show it."""
    document: ItemDocument = {
        "id": item.item_id,
        "version": item.version,
        "time": rfc3339(item.time),
        "tags": list(item.tags),
        "metadata": metadata,
    }
    if item.text:
        document["text"] = item.text
    if item.HasField("picture"):
        document["image"] = _image(item.picture)
        document["objects"] = [_detection(detection) for detection in item.objects]
    return orjson.dumps(document)


def stored_metadata(item: events_pb2.EmbeddedItem) -> dict[str, object]:
    """The item's metadata as it was sent.

    Raises:
        InvalidInputError: not a JSON object.
    """
    if not item.metadata:
        return {}
    try:
        metadata = orjson.loads(item.metadata)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"metadata is not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise InvalidInputError(f"metadata must be a JSON object, got {type(metadata).__name__}")
    return metadata


def metadata_columns(metadata: Mapping[str, object], schema: Mapping[str, MetadataType]) -> dict[str, object]:
    """Values of the declared fields, typed by the schema; absent ones are left out.

    Raises:
        InvalidInputError: a value is of another type than its field.
    """
    return {
        name: metadata_value(name, kind, metadata[name])
        for name, kind in schema.items()
        if metadata.get(name) is not None
    }


def microseconds(time: Timestamp) -> int:
    """A time in microseconds since 1970 UTC."""
    return time.seconds * _MICROSECONDS + time.nanos // 1000


def rfc3339(time: Timestamp) -> str:
    """A time as text, in UTC with a `Z`."""
    moment = datetime.fromtimestamp(time.seconds, UTC).replace(microsecond=time.nanos // 1000)
    return moment.isoformat().replace("+00:00", "Z")


def _image(picture: events_pb2.Picture) -> ImageDocument:
    return {
        "blob": picture.blob,
        "sha256": picture.sha256,
        "media_type": picture.media_type,
        "filename": picture.filename,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
    }


def _detection(detection: embedder_pb2.Detection) -> DetectionDocument:
    return {
        "bbox": {"x1": detection.x1, "y1": detection.y1, "x2": detection.x2, "y2": detection.y2},
        "class_id": detection.class_id,
        "class_name": detection.class_name,
        "confidence": detection.confidence,
    }
