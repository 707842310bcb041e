"""Changes of a users' record while its collection moves to another model; pure, for compare-and-set.

Each may be made twice. What must not be changed any more raises a ConflictError.
"""

from collections.abc import Collection

from sightwire.contracts.collections import Canary, CollectionRecord
from sightwire.errors import ConflictError


def with_shadow(record: CollectionRecord, shadow: str, *, source: str, kept: Collection[str]) -> CollectionRecord:
    """The record once a shadow gets all that its collection gets.

    Args:
        record: the users' record as it is.
        shadow: the new one.
        source: the index that answers, by what is known of the migration.
        kept: copies of earlier migrations that are only kept.

    Raises:
        ConflictError: the collection moves to another model already, or another index answers by now.
    """
    if shadow in record.shadows:
        return record
    others = [other for other in record.shadows if other != record.answering and other not in kept]
    if others:
        raise ConflictError(
            f"collection {record.name!r} moves to another model already (shadow {others[0]!r}); wait for the end of "
            "that migration, or cancel its run: `sightwire models migrations` shows it"
        )
    require_answering(record, source)
    return record.model_copy(update={"shadows": (*record.shadows, shadow)})


def with_canary(record: CollectionRecord, canary: Canary, *, source: str) -> CollectionRecord:
    """The record once a share of queries goes to a shadow.

    Raises:
        ConflictError: the shadow is none of this collection any more, or another index answers by now.
    """
    require_shadow(record, canary.shadow)
    require_answering(record, source)
    return record.model_copy(update={"canary": canary})


def without_canary(record: CollectionRecord, shadow: str) -> CollectionRecord:
    """The record without a canary of this shadow."""
    if record.canary is None or record.canary.shadow != shadow:
        return record
    return record.model_copy(update={"canary": None})


def promoted(record: CollectionRecord, shadow: str, *, source: str) -> CollectionRecord:
    """The record once a shadow answers.

    Raises:
        ConflictError: as `with_canary`.
    """
    if record.answering == shadow:
        return record
    require_shadow(record, shadow)
    require_answering(record, source)
    return without_canary(record, shadow).model_copy(update={"answering": shadow})


def rolled_back(record: CollectionRecord, shadow: str, *, source: str) -> CollectionRecord:
    """The record once the index answers again that did before `shadow`.

    Raises:
        ConflictError: that index is gone, or another one than the shadow answers by now.
    """
    if record.index_name == source:
        return record
    require_answering(record, shadow)
    if source not in record.copies:
        raise ConflictError(
            f"the index that answered for collection {record.name!r} before is gone; migrate to its model again"
        )
    return record.model_copy(update={"answering": None if source == record.name else source})


def without_own_index(record: CollectionRecord) -> CollectionRecord:
    """The record once its own index was given up for that of a shadow.

    Raises:
        ConflictError: it answers.
    """
    if record.answering is None:
        raise ConflictError(f"the index of collection {record.name!r} answers; it cannot be given up")
    return record.model_copy(update={"has_index": False})


def require_shadow(record: CollectionRecord, shadow: str) -> None:
    """Raises ConflictError unless `shadow` gets what the collection gets."""
    if shadow not in record.shadows:
        raise ConflictError(
            f"{shadow!r} is no shadow of collection {record.name!r} any more: its migration was abandoned; "
            "begin a new one"
        )


def require_answering(record: CollectionRecord, index: str) -> None:
    """Raises ConflictError unless the collection is answered for by `index`."""
    if record.index_name != index:
        raise ConflictError(
            f"{record.index_name!r} answers for collection {record.name!r} by now, and not {index!r}; look again"
        )
