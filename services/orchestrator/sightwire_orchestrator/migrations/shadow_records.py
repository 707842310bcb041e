"""What shadows of collections are made like; pure."""

import hashlib
from datetime import datetime
from typing import Final

from sightwire.contracts.collections import CollectionRecord, VectorField, VectorSource, new_collection_uid
from sightwire.errors import InvalidInputError
from sightwire.v1 import embedder_pb2

_MAX_NAME_CHARACTERS: Final = 63
_DIGEST_CHARACTERS: Final = 12


def shadow_name(collection: str, run: str) -> str:
    """Name of the shadow that a run makes: always the same one, so that a repetition finds it."""
    digest = hashlib.sha256(f"{collection}\0{run}".encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{collection[: _MAX_NAME_CHARACTERS - _DIGEST_CHARACTERS - 2].rstrip('-')}--{digest}"


def shadow_record(
    users: CollectionRecord, model: embedder_pb2.DescribeModelResponse, *, name: str, now: datetime
) -> CollectionRecord:
    """The record of a new shadow: that of its collection, with fields of another model.

    Args:
        users: the collection's record.
        model: the bundle that is to embed.
        name: the shadow's.
        now: when it is made.

    Raises:
        InvalidInputError: the model cannot serve the collection.
    """
    if not users.spec.embeds:
        raise InvalidInputError(
            f"all vectors of collection {users.name!r} are the user's own: there is no model to change"
        )
    fields = {field: _of_model(field, spec, model) for field, spec in users.spec.fields.items()}
    return CollectionRecord(
        spec=users.spec.model_copy(update={"name": name, "fields": fields}),
        uid=new_collection_uid(),
        created_at=now,
        space=model.space,
        class_names=tuple(model.class_names),
        shadow_of=users.name,
    )


def _of_model(name: str, field: VectorField, model: embedder_pb2.DescribeModelResponse) -> VectorField:
    if field.source is VectorSource.USER:
        return field
    if field.source is VectorSource.OBJECT and not model.class_names:
        raise InvalidInputError(
            f"field {name!r} is of objects, but the model bundle {model.name} {model.version} has no detector"
        )
    return field.model_copy(update={"dimension": model.dimension})
