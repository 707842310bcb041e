"""Whether a backup can be restored into a collection. Pure."""

from sightwire.contracts.collections import CollectionSpec
from sightwire.errors import InvalidInputError
from sightwire_indexer.backups.manifest import BackupManifest


def require_fit(backup: BackupManifest, spec: CollectionSpec) -> None:
    """A collection has to have the vector fields, metadata fields and language of the backup.

    Raises:
        InvalidInputError: it has not; the message says what differs.
    """
    if found := differences(backup.record.spec, spec):
        raise InvalidInputError(
            f"backup {backup.id} of {backup.record.name!r} does not fit collection {spec.name!r}: {'; '.join(found)}; "
            "restore it into a name that no collection has yet"
        )


def require_space(backup: BackupManifest, collection: str, space: str) -> None:
    """The vectors of a backup have to be of the space in which new items of the collection will be.

    Raises:
        InvalidInputError: they are not.
    """
    if backup.space != space:
        raise InvalidInputError(
            f"backup {backup.id} holds vectors of space {backup.space!r}, but those of collection {collection!r} are "
            f"of {space!r}; restore it into a name that no collection has yet"
        )


def differences(backed_up: CollectionSpec, target: CollectionSpec) -> list[str]:
    """What of a collection's schema is not as it was when it was backed up, in words."""
    found = _of_names("vector field", set(backed_up.fields), set(target.fields))
    for name, field in backed_up.fields.items():
        other = target.fields.get(name)
        for member in ("source", "dimension", "metric"):
            if other is not None and getattr(field, member) != getattr(other, member):
                found.append(f"{member} of field {name!r} was {getattr(field, member)}, is {getattr(other, member)}")
    found += _of_names("metadata field", set(backed_up.metadata), set(target.metadata))
    for name, declared in backed_up.metadata.items():
        if name in target.metadata and declared.type is not target.metadata[name].type:
            found.append(f"metadata field {name!r} was of type {declared.type}, is {target.metadata[name].type}")
    if backed_up.language is not target.language:
        found.append(f"its language was {backed_up.language}, is {target.language}")
    return found


def _of_names(kind: str, backed_up: set[str], target: set[str]) -> list[str]:
    lacking = [f"it has no {kind} {name!r}" for name in sorted(backed_up - target)]
    return lacking + [f"the backup has no {kind} {name!r}" for name in sorted(target - backed_up)]
