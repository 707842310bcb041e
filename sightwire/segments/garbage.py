"""Removes what no manifest and no generation refers to any more: old manifests, merged-away segments, leftovers."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sightwire.blobs.store import BlobStore
from sightwire.segments.atomic_folder import TEMPORARY_PREFIX
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.layout import IndexLayout, report_name_of
from sightwire.segments.manifest import Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore

#: Of a generation that is validated every night, nobody reads older ones.
_MAX_REPORTS: Final = 10


async def collect_garbage(
    blobs: BlobStore,
    layout: IndexLayout,
    *,
    keep_manifests: int,
    min_age: timedelta,
    in_use: Collection[str] = (),
) -> int:
    """Removes old manifests, then every segment and delete bitmap that no kept manifest and no generation refers to.

    Reports of validations go some time after their generation was forgotten.

    Safe beside the index's own writer and its readers: nothing younger than `min_age` is touched, which is the time
    that a commit may take from its first blob to its manifest, and a reader to load a manifest that it has found.

    Args:
        in_use: ids of segments that running merges are making.

    Returns:
        How many blobs were removed, manifests aside.
    """
    older_than = datetime.now(UTC) - min_age
    manifests, generations = ManifestStore(blobs, layout), GenerationStore(blobs, layout)
    newest = await manifests.latest()
    bases = base_versions(await generations.all(), live=newest.generation if newest is not None else None)
    kept = await manifests.prune(keep=keep_manifests, older_than=older_than, needed=bases)
    # Read after the manifests: a generation that ceases to be live is recorded before the manifest that says so.
    records = generations_beside(kept, await generations.all())
    entries = [entry for manifest in kept for entry in manifest.segments]
    entries += [entry for record in records for entry in record.segments]
    referenced = _referenced_keys(entries, layout)
    candidates = await blobs.keys(layout.segments_prefix) + await blobs.keys(layout.deletes_prefix)
    garbage = unreferenced_keys(candidates, referenced, layout, in_use=in_use, older_than=older_than)
    names = {manifest.generation for manifest in kept} | {record.name for record in records}
    garbage += needless_reports(await blobs.keys(layout.reports_prefix), names, older_than=older_than)
    await blobs.delete(garbage)
    local_segments = blobs.local_path(layout.segments_prefix)
    if local_segments is not None:
        await asyncio.to_thread(_remove_leftovers, local_segments, time.time() - min_age.total_seconds(), in_use)
    return len(garbage)


def unreferenced_keys(
    keys: Iterable[str],
    referenced: Collection[str],
    layout: IndexLayout,
    *,
    in_use: Collection[str],
    older_than: datetime,
) -> list[str]:
    """The keys of segments' files and delete bitmaps that nothing needs, and that are old enough to be sure of it.

    Args:
        referenced: segment folders and delete bitmaps of the manifests that stay.
    """
    garbage: list[str] = []
    for key in keys:
        name = key.removeprefix(layout.segments_prefix + "/").removeprefix(layout.deletes_prefix + "/")
        segment_id, _, file = name.partition("/")
        is_segment = key.startswith(layout.segments_prefix)
        if key in referenced or (is_segment and layout.segment_prefix(segment_id) in referenced):
            continue
        unique_id = segment_id if is_segment else file.removesuffix(".roaring")
        created = creation_time(unique_id)
        if created is not None and created < older_than and segment_id not in in_use:
            garbage.append(key)
    return garbage


def base_versions(records: Iterable[GenerationRecord], *, live: str | None) -> set[int]:
    """Manifest versions with which generations are compared before they become live, so that those must stay.

    Args:
        live: the live generation, whose own record does not count.
    """
    unproven = (GenerationState.BUILDING, GenerationState.STAGED)
    return {
        record.base_version
        for record in records
        if record.state in unproven and record.source_items is None and record.name != live
    }


def needless_reports(keys: Iterable[str], generations: Collection[str], *, older_than: datetime) -> list[str]:
    """Keys of reports of generations that are forgotten, and of all but the newest few of the others.

    Args:
        generations: names of those that there are.
    """
    by_generation: dict[str, list[tuple[datetime, str]]] = {}
    for key in keys:
        name = report_name_of(key)
        if name is not None:
            by_generation.setdefault(name.generation, []).append((name.created_at, key))
    needless: list[str] = []
    for generation, reports in by_generation.items():
        kept = _MAX_REPORTS if generation in generations else 0
        newest_first = sorted(reports, reverse=True)
        needless += [key for created_at, key in newest_first[kept:] if created_at < older_than]
    return sorted(needless)


def creation_time(segment_id: str) -> datetime | None:
    """When an id was made by `new_segment_id`; None for a name of another kind, which is left alone."""
    try:
        value = uuid.UUID(segment_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None


def generations_beside(manifests: Collection[Manifest], records: Iterable[GenerationRecord]) -> list[GenerationRecord]:
    """The records that count: all but that of the live generation, which is as old as the switch to it."""
    newest = max(manifests, key=lambda manifest: manifest.version, default=None)
    return [record for record in records if newest is None or record.name != newest.generation]


def _referenced_keys(entries: Iterable[SegmentEntry], layout: IndexLayout) -> set[str]:
    referenced: set[str] = set()
    for entry in entries:
        referenced.add(layout.segment_prefix(entry.id))
        if entry.deletes is not None:
            referenced.add(entry.deletes.key)
    return referenced


def _remove_leftovers(folder: Path, before: float, in_use: Collection[str]) -> None:
    """Folders that a crash left half-written, and those that are empty because their files were removed."""
    if not folder.is_dir():
        return
    for child in folder.iterdir():
        # A graph may take hours to build, and nothing in its folder changes meanwhile.
        if child.stat().st_mtime >= before or any(segment_id in child.name for segment_id in in_use):
            continue
        if child.name.startswith(TEMPORARY_PREFIX) or not any(path.is_file() for path in child.rglob("*")):
            shutil.rmtree(child, ignore_errors=True)
