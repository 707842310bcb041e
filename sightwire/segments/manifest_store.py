"""Manifests in the blob store: creating the next version is the compare-and-set that orders all writers."""

from collections.abc import Collection
from datetime import datetime

from sightwire.blobs.store import BlobStore
from sightwire.errors import ConflictError, CorruptDataError
from sightwire.segments.layout import IndexLayout, is_of_earlier_layout, manifest_version_of
from sightwire.segments.manifest import Manifest, parse_manifest


class ManifestStore:
    """Manifests of one index."""

    def __init__(self, blobs: BlobStore, layout: IndexLayout) -> None:
        self._blobs = blobs
        self._layout = layout

    async def versions(self) -> list[int]:
        """Versions that exist, ascending."""
        keys = await self._blobs.keys(self._layout.manifests_prefix)
        return sorted(version for key in keys if (version := manifest_version_of(key)) is not None)

    async def latest(self) -> Manifest | None:
        """The newest manifest, None when the index was never created."""
        versions = await self.versions()
        return await self.read(versions[-1]) if versions else None

    async def refuse_earlier_layout(self) -> None:
        """Keeps an index that cannot be read from being taken for one that was never created.

        Raises:
            CorruptDataError: each generation has a folder with manifests of its own.
        """
        folders = await self._blobs.folders(self._layout.prefix)
        earlier = [folder for folder in folders if is_of_earlier_layout(folder)]
        if earlier:
            raise CorruptDataError(
                f"{self._layout.prefix} holds an index of an earlier version of this software: its manifests lie in "
                f"{earlier[-1]}/manifests, expected {self._layout.manifests_prefix}; go back to the version that wrote "
                "it, or delete the collection and ingest its items again"
            )

    async def read(self, version: int) -> Manifest:
        """The manifest of a version.

        Raises:
            NotFoundError: it does not exist, or was removed because it is old.
            CorruptDataError: it is not a manifest, or one of another version.
        """
        key = self._layout.manifest_key(version)
        manifest = parse_manifest(await self._blobs.get(key), key)
        if manifest.version != version:
            raise CorruptDataError(f"blob {key!r} holds manifest version {manifest.version}, expected {version}")
        return manifest

    async def commit(self, manifest: Manifest) -> None:
        """Makes `manifest` the newest version. All that it refers to must be stored before.

        Raises:
            ConflictError: another writer created this version first; this one no longer owns the index and must stop.
        """
        key = self._layout.manifest_key(manifest.version)
        try:
            await self._blobs.create(key, manifest.model_dump_json().encode())
        except ConflictError:
            raise ConflictError(
                f"manifest version {manifest.version} of {manifest.collection!r} exists already: another indexer owns "
                "the collection now"
            ) from None

    async def prune(self, *, keep: int, older_than: datetime, needed: Collection[int] = ()) -> list[Manifest]:
        """Removes manifests, except the newest `keep` and those created after `older_than`; returns the kept ones.

        The age matters: a writer that stalled must still collide with the versions that others made meanwhile.

        Args:
            needed: versions that stay, however old.
        """
        versions = await self.versions()
        kept = [await self.read(version) for version in versions[-keep:]]
        for version in reversed(versions[:-keep]):
            manifest = await self.read(version)
            if manifest.created_at > older_than or version in needed:
                kept.append(manifest)
            else:
                await self._blobs.delete([self._layout.manifest_key(version)])
        return kept
