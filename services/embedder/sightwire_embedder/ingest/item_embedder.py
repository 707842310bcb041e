"""An ingest event and its collection to an embedded item. Knows nothing of messages."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from sightwire.contracts.collections import CollectionRecord, CollectionSpec, VectorSource, checked_metadata
from sightwire.contracts.events import ImageSource, IngestEvent, Operation, vector_bytes
from sightwire.contracts.names import EXTERNAL_SPACE
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.v1 import embedder_pb2, events_pb2
from sightwire_embedder.analysis import PictureAnalysis
from sightwire_embedder.batching import Priority
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_embedder.ingest.picture_source import PictureSource
from sightwire_embedder.models.served_models import ServedModels

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class VectorCounter(Protocol):
    """Told how many vectors of a type (image, text or object) were made."""

    def __call__(self, vector_type: str, count: int) -> None: ...


class ItemEmbedder:
    """Makes the items that the indexer stores."""

    def __init__(
        self,
        models: ServedModels,
        pictures: PictureSource,
        count_vectors: VectorCounter,
        *,
        max_pictures: int,
        priority: Priority,
    ) -> None:
        """`max_pictures` may be in memory at once; others wait before they are loaded."""
        self._models = models
        self._pictures = pictures
        self._count_vectors = count_vectors
        self._priority = priority
        self._room_for_pictures = asyncio.Semaphore(max_pictures)

    async def embed(self, event: IngestEvent, record: CollectionRecord, version: int) -> events_pb2.EmbeddedItem:
        """The item with all vectors that a collection's index wants.

        Raises `InvalidInputError` (or a subclass) for what the event or its picture does wrong, and errors that are
        transient when a server was at fault, or, as `NotServedError`, when the collection's space is not served here.
        """
        accepted_at = event.accepted_at or datetime.now(UTC)
        accepted_timestamp = _timestamp(accepted_at)
        item = events_pb2.EmbeddedItem(item_id=event.id, version=version, accepted_at=accepted_timestamp)
        if event.operation is Operation.DELETE:
            item.deleted = True
            return item
        item.tags.extend(event.tags)
        item.time.CopyFrom(_timestamp(event.time) if event.time is not None else accepted_timestamp)
        item.metadata = orjson.dumps(checked_metadata(_users_spec(record), event.metadata))
        for field, data in _users_vectors(event.vectors, record).items():
            _add_vectors(item, field, data, rows=1, dimension=record.dimension(field))
        if event.text is not None:
            item.text = event.text
            await self._embed_text(item, event.text, record)
        if event.image is not None:
            # Any model decodes pictures of collections that have no vectors of a model.
            space = "" if record.space == EXTERNAL_SPACE else record.space
            async with self._room_for_pictures:
                with self._models.use(space) as engine:
                    await self._embed_image(item, event.image, record, engine)
        return item

    async def _embed_text(self, item: events_pb2.EmbeddedItem, text: str, record: CollectionRecord) -> None:
        fields = record.spec.field_names(VectorSource.TEXT)
        if not fields or not text.strip():
            return
        with self._models.use(record.space) as engine:
            (answer,) = await engine.embed_texts([text], self._priority)
        if isinstance(answer, Exception):
            raise answer
        data = _float_bytes(answer.value)
        for field in fields:
            _add_vectors(item, field, data, rows=1, dimension=record.dimension(field))
        self._count_vectors("text", 1)

    async def _embed_image(
        self, item: events_pb2.EmbeddedItem, image: ImageSource, record: CollectionRecord, engine: EmbeddingEngine
    ) -> None:
        image_fields = record.spec.field_names(VectorSource.IMAGE)
        object_fields = record.spec.field_names(VectorSource.OBJECT)
        picture = await self._pictures.load(image)
        analysis = await engine.analyse_picture(
            picture.data,
            self._priority,
            image_vector=bool(image_fields),
            # Classes can be filtered by, whether or not objects have vectors.
            detect=bool(record.class_names),
            object_vectors=bool(object_fields),
        )
        reference = await self._pictures.keep(
            picture, media_type=analysis.media_type, width=analysis.width, height=analysis.height
        )
        item.picture.CopyFrom(
            events_pb2.Picture(
                blob=reference.blob,
                sha256=reference.sha256,
                media_type=analysis.media_type,
                filename=picture.filename,
                width=analysis.width,
                height=analysis.height,
                bytes=len(picture.data),
            )
        )
        item.objects.extend(detections(analysis, engine.spec.classes))
        if analysis.image_vector is not None:
            data = _float_bytes(analysis.image_vector)
            for field in image_fields:
                _add_vectors(item, field, data, rows=1, dimension=record.dimension(field))
            self._count_vectors("image", 1)
        if object_fields and analysis.objects:
            rows = len(analysis.objects)
            data = _float_bytes(analysis.object_vectors)
            for field in object_fields:
                _add_vectors(item, field, data, rows=rows, dimension=record.dimension(field))
            self._count_vectors("object", rows)


def detections(analysis: PictureAnalysis, class_names: list[str]) -> list[embedder_pb2.Detection]:
    """The objects of a picture as messages."""
    return [
        embedder_pb2.Detection(
            x1=found.x1,
            y1=found.y1,
            x2=found.x2,
            y2=found.y2,
            class_id=found.class_id,
            class_name=class_names[found.class_id],
            confidence=found.confidence,
        )
        for found in analysis.objects
    ]


def _users_spec(record: CollectionRecord) -> CollectionSpec:
    """The specification with the name that users know, which is in messages about what is wrong with an item."""
    return record.spec if record.shadow_of is None else record.spec.model_copy(update={"name": record.users_name})


def _users_vectors(vectors: Mapping[str, list[float] | str], record: CollectionRecord) -> dict[str, bytes]:
    """The user's own vectors as float32 bytes, each checked against its field."""
    users_fields = record.spec.field_names(VectorSource.USER)
    checked = {}
    for field, vector in vectors.items():
        if field not in users_fields:
            raise InvalidVectorError(
                f"collection {record.users_name!r} takes vectors for {', '.join(users_fields) or 'no field'}, "
                f"got {field!r}"
            )
        checked[field] = vector_bytes(field, vector, record.dimension(field))
    return checked


def _add_vectors(item: events_pb2.EmbeddedItem, field: str, data: bytes, *, rows: int, dimension: int) -> None:
    if len(data) != 4 * rows * dimension:
        raise InvalidInputError(
            f"field {field!r} has dimension {dimension}, but the model's vectors have {len(data) // (4 * rows)}"
        )
    item.vectors.append(
        events_pb2.FieldVectors(field=field, matrix=embedder_pb2.Matrix(data=data, rows=rows, dimension=dimension))
    )


def _float_bytes(vectors: NDArray[np.float32]) -> bytes:
    return vectors.astype("<f4", copy=False).tobytes()


def _timestamp(moment: datetime) -> Timestamp:
    # Whole numbers throughout, as in `Timestamp.FromDatetime`, at a fifth of its time.
    elapsed = moment - _EPOCH
    return Timestamp(seconds=elapsed.days * 86_400 + elapsed.seconds, nanos=elapsed.microseconds * 1000)
