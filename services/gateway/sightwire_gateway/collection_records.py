"""Makes a collection's record from what a user asked for and what the model bundle is, and shows it; pure."""

from datetime import UTC, datetime
from typing import Any

from sightwire.contracts.collections import (
    CollectionRecord,
    CollectionSpec,
    VectorField,
    VectorSource,
    new_collection_uid,
)
from sightwire.contracts.names import EXTERNAL_SPACE
from sightwire.errors import InvalidInputError
from sightwire.v1 import embedder_pb2


def new_record(spec: CollectionSpec, model: embedder_pb2.DescribeModelResponse | None) -> CollectionRecord:
    """The record of a new collection: dimensions, space and class names taken from the bundle.

    Args:
        spec: what the user asked for.
        model: the bundle that embeds; None when the collection has only vectors of the user's own.

    Raises:
        InvalidInputError: a dimension or an object field that the bundle cannot serve.
    """
    fields = {name: _resolved(name, field, model) for name, field in spec.fields.items()}
    return CollectionRecord(
        spec=spec.model_copy(update={"fields": fields}),
        uid=new_collection_uid(),
        created_at=datetime.now(UTC),
        space=model.space if model is not None else EXTERNAL_SPACE,
        class_names=tuple(model.class_names) if model is not None else (),
    )


def public_record(record: CollectionRecord, index: CollectionRecord, generation: str) -> dict[str, Any]:
    """A record as answers show it: the specification's members with those that the platform added.

    Args:
        record: the collection, as users name it.
        index: the record of the index that answers for it.
        generation: of that index, the live one.
    """
    answer = {
        **index.spec.model_dump(mode="json"),
        "name": record.name,
        "description": record.spec.description,
        "uid": record.uid,
        "created_at": record.created_at,
        "space": index.space,
        "generation": generation,
        "class_names": list(index.class_names),
    }
    if record.shadows:
        answer["shadows"] = list(record.shadows)
        answer["answering"] = record.answering
        answer["canary"] = record.canary.model_dump(mode="json") if record.canary is not None else None
    return answer


def _resolved(name: str, field: VectorField, model: embedder_pb2.DescribeModelResponse | None) -> VectorField:
    if field.source is VectorSource.USER:
        return field
    assert model is not None, "collections with embedded fields are made with a model"
    if field.dimension is not None and field.dimension != model.dimension:
        raise InvalidInputError(
            f"field {name!r} asks for {field.dimension} dimensions, but the model bundle {model.name} {model.version} "
            f"makes vectors of {model.dimension}; leave 'dimension' out"
        )
    if field.source is VectorSource.OBJECT and not model.class_names:
        raise InvalidInputError(
            f"field {name!r} is of objects, but the model bundle {model.name} {model.version} has no detector"
        )
    return field.model_copy(update={"dimension": model.dimension})
