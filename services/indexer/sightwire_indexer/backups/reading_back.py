"""Reads files of a backup back."""

from pathlib import Path

from sightwire.errors import CorruptDataError
from sightwire.segments.description import DESCRIPTION_FILE, SegmentDescription, parse_description
from sightwire_indexer.backups.manifest import BackedUpFile, BackedUpSegment, BackupManifest
from sightwire_indexer.backups.store import BackupStore


async def fetch_file(
    store: BackupStore, backup: BackupManifest, segment: BackedUpSegment, file: BackedUpFile, workspace: Path
) -> Path:
    """A file of a segment, in the folder `workspace` under its name; its checksums are compared.

    Raises:
        CorruptDataError: it is damaged or gone; the message names it.
        ConfigurationError: it is encrypted, and no configured identity opens it.
    """
    destination = workspace / file.name
    try:
        await store.files.fetch(backup.layout, file, destination)
    except CorruptDataError as error:
        raise CorruptDataError(f"segment {segment.entry.id} of backup {backup.id}: {error.detail}") from None
    return destination


async def fetch_description(
    store: BackupStore, backup: BackupManifest, segment: BackedUpSegment, workspace: Path
) -> SegmentDescription:
    """The `segment.json` of a segment; it has to list the files that the backup has of it. Raises as `fetch_file`."""
    path = await fetch_file(store, backup, segment, segment.description, workspace)
    name = f"{DESCRIPTION_FILE} of segment {segment.entry.id} of backup {backup.id}"
    description = parse_description(path.read_bytes(), name)
    described = {(file.name, file.bytes, file.sha256) for file in description.files}
    backed_up = {(file.name, file.bytes, file.sha256) for file in segment.files[1:]}
    if description.id != segment.entry.id or described != backed_up:
        raise CorruptDataError(f"{name} describes other files than those that the backup has of it")
    return description
