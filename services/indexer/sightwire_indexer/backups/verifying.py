"""Reads a backup back, all of it, and says what is wrong with it."""

import asyncio
from pathlib import Path

from pyroaring import BitMap

from sightwire.contracts.backups import BackupVerification
from sightwire.errors import CorruptDataError
from sightwire_indexer.backups.layout import FileName
from sightwire_indexer.backups.manifest import BackedUpFile, BackedUpSegment, BackupManifest
from sightwire_indexer.backups.reading_back import fetch_description, fetch_file
from sightwire_indexer.backups.store import BackupStore


async def verify_backup(store: BackupStore, backup: BackupManifest) -> BackupVerification:
    """Decrypts and decompresses every file, and compares it with its checksums and with what describes it.

    Raises:
        ConfigurationError: it is encrypted, and no configured identity opens it.
        UnavailableError: the backup store fails.
    """
    problems: list[str] = []
    read: dict[FileName, BackedUpFile] = {}
    async with store.workspace() as workspace:
        for segment in backup.segments:
            try:
                await fetch_description(store, backup, segment, workspace)
            except CorruptDataError as error:
                problems.append(error.detail)
            read[segment.description.stored_name] = segment.description
            for file in segment.all_files[1:]:
                if file.stored_name not in read:
                    problems += await _problems_of(store, backup, segment, file, workspace)
                read[file.stored_name] = file
    return BackupVerification(
        backup=backup.id, files=len(read), bytes=sum(file.bytes for file in read.values()), problems=tuple(problems)
    )


async def _problems_of(
    store: BackupStore, backup: BackupManifest, segment: BackedUpSegment, file: BackedUpFile, workspace: Path
) -> list[str]:
    try:
        path = await fetch_file(store, backup, segment, file, workspace)
    except CorruptDataError as error:
        return [error.detail]
    reference = segment.entry.deletes
    if file is segment.deletes and reference is not None:
        rows = len(BitMap.deserialize(await asyncio.to_thread(path.read_bytes)))
        if rows != reference.count:
            return [f"segment {segment.entry.id}: {file.name} has {rows} rows, expected {reference.count}"]
    await asyncio.to_thread(path.unlink)
    return []
