"""The registry of models."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightwire.blobs import BlobStore
from sightwire.bundles import BUNDLE_FILE, Bundle, BundleError, file_sha256, load_bundle
from sightwire.bundles.stored_files import BundleFiles
from sightwire.contracts.models import (
    DEFAULT,
    Deprecation,
    ModelComparison,
    ModelId,
    ModelLineage,
    ModelNotes,
    ModelVersion,
)
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire_orchestrator.registry.alias_store import AliasStore
from sightwire_orchestrator.registry.aliases import Aliases
from sightwire_orchestrator.registry.comparison import compare
from sightwire_orchestrator.registry.references import parse_reference
from sightwire_orchestrator.registry.registration import registered_version
from sightwire_orchestrator.registry.version_store import VersionStore
from sightwire_orchestrator.storage.database import Database

_NO_NOTES: Final = ModelNotes()
_NO_LINEAGE: Final = ModelLineage()


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered version, and whether it was not there before."""

    model: ModelVersion
    is_new: bool


class ModelRegistry:
    """Registers bundles, says which version an alias means, and fetches versions to where they are needed.

    Versions are named as `NAME`, `NAME:VERSION` or `NAME@ALIAS`; a name alone means its alias `default`, without one
    the newest version that is not deprecated.

    Args:
        database: open.
        blobs: where the files of bundles are kept.
    """

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._versions = VersionStore(database)
        self.aliases = Aliases(AliasStore(database), self._versions)
        self._files = BundleFiles(blobs)

    async def register(
        self,
        folder: Path,
        *,
        notes: ModelNotes = _NO_NOTES,
        lineage: ModelLineage = _NO_LINEAGE,
        by: str = "",
        expected_sha256: str | None = None,
    ) -> Registration:
        """Registers the bundle in `folder`, once: the same one again changes nothing.

        Every file is verified before anything is stored, and the version appears only when all are stored.

        Args:
            folder: with `bundle.yaml`, of which name and version are taken.
            notes: tags, metadata and figures besides those of the bundle.
            lineage: its parent must be registered.
            by: who registers it.
            expected_sha256: of `bundle.yaml`, as the trainer told it.

        Raises:
            BundleError: the bundle is incomplete, altered or badly described, or not the expected one.
            ConflictError: the version exists with other files, or a file is changed meanwhile.
            NotFoundError: the parent is not registered.
            UnavailableError: database or blob store do not answer.
        """
        await asyncio.to_thread(_check_description, folder, expected_sha256)
        bundle = await asyncio.to_thread(load_bundle, folder)
        if lineage.parent is not None:
            await self._versions.get(lineage.parent)
        present = await self._versions.find(ModelId(name=bundle.spec.name, version=bundle.spec.version))
        if present is not None and present.bundle_sha256 != await asyncio.to_thread(_description_sha256, folder):
            raise _other_files(present.id)
        # Also for one that is there: files that were damaged in the blob store are replaced.
        files = await self._files.store(bundle)
        if present is not None:
            return Registration(present, is_new=False)
        model = registered_version(bundle.spec, files, notes=notes, lineage=lineage, by=by)
        return await self._added(model)

    async def register_stored(
        self,
        prefix: str,
        *,
        notes: ModelNotes = _NO_NOTES,
        lineage: ModelLineage = _NO_LINEAGE,
        by: str = "",
        expected_sha256: str | None = None,
    ) -> Registration:
        """Registers the bundle that lies below `prefix` in the blob store; as `register` otherwise.

        Raises:
            NotFoundError: there is no bundle.
        """
        with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
            await self._files.download_folder(prefix, Path(folder))
            return await self.register(
                Path(folder), notes=notes, lineage=lineage, by=by, expected_sha256=expected_sha256
            )

    async def get(self, reference: str) -> ModelVersion:
        """The version that a reference means.

        Raises:
            InvalidInputError: it is no reference.
            NotFoundError: it means nothing.
        """
        parsed = parse_reference(reference)
        if parsed.version is not None:
            return await self._versions.get(ModelId(name=parsed.name, version=parsed.version))
        version = await self.aliases.meaning(parsed.name, parsed.alias or DEFAULT)
        if version is not None:
            return await self._versions.get(ModelId(name=parsed.name, version=version))
        if parsed.alias is not None:
            raise NotFoundError(f"model {parsed.name!r} has no alias {parsed.alias!r}")
        newest = await self._versions.newest(parsed.name)
        if newest is None:
            raise NotFoundError(f"there is no model {parsed.name!r}, or all its versions are deprecated")
        return newest

    async def versions(
        self,
        *,
        name: str | None = None,
        space: str | None = None,
        tag: str | None = None,
        with_deprecated: bool = False,
        after: ModelId | None = None,
    ) -> list[ModelVersion]:
        """Versions by name, the newest of each first; only those of a name, space or tag where given.

        With `after` those that follow it in this order.
        """
        found = await self._versions.select(name=name, space=space, with_deprecated=with_deprecated, after=after)
        return [model for model in found if tag is None or tag in model.notes.tags]

    async def fetch(self, reference: str, destination: Path) -> Bundle:
        """The bundle of a version, whole and verified, in the folder `destination`/NAME-VERSION.

        Raises:
            InvalidInputError, NotFoundError: as `get`.
            BundleError: the blob store has other bytes than were registered.
            UnavailableError: database or blob store do not answer.
        """
        model = await self.get(reference)
        return await self._files.fetch(model.id, model.files, destination)

    async def annotate(self, model: ModelVersion, notes: ModelNotes) -> ModelVersion:
        """Gives a version other notes.

        Raises:
            ConflictError: it was changed since `model` was read.
        """
        return await self._versions.replace(model.model_copy(update={"notes": notes}))

    async def deprecate(
        self, reference: str, reason: str, *, replacement: ModelId | None = None, by: str = ""
    ) -> ModelVersion:
        """Marks a version as one not to be used any more; it can still be fetched.

        Raises:
            ConflictError: an alias means it; or it was changed at the same moment.
            InvalidInputError: it should replace itself.
            NotFoundError: it, or the replacement, is not registered.
        """
        model = await self.get(reference)
        if replacement == model.id:
            raise InvalidInputError(f"{model.id} cannot be replaced by itself")
        if replacement is not None:
            await self._versions.get(replacement)
        deprecation = Deprecation(reason=reason, replacement=replacement, by=by)
        return await self._versions.deprecate(model.model_copy(update={"deprecation": deprecation}))

    async def compare(self, before: str, after: str) -> ModelComparison:
        """What differs between two versions.

        Raises:
            InvalidInputError, NotFoundError: as `get`.
        """
        return compare(await self.get(before), await self.get(after))

    async def lineage(self, reference: str) -> list[ModelVersion]:
        """A version, the one that it was made from, and so on to the first one."""
        line = [await self.get(reference)]
        while (parent := line[-1].lineage.parent) is not None:
            line.append(await self._versions.get(parent))
        return line

    async def _added(self, model: ModelVersion) -> Registration:
        try:
            await self._versions.add(model)
        except ConflictError:
            # The same bundle may have been registered twice at once.
            present = await self._versions.find(model.id)
            if present is None:
                raise
            if present.bundle_sha256 != model.bundle_sha256:
                raise _other_files(model.id) from None
            return Registration(present, is_new=False)
        return Registration(model, is_new=True)


def _description_sha256(folder: Path) -> str:
    try:
        return file_sha256(folder / BUNDLE_FILE)
    except OSError as error:
        raise BundleError(
            f"cannot read {folder / BUNDLE_FILE}: {error.strerror}. A bundle is a folder with a {BUNDLE_FILE}"
        ) from error


def _check_description(folder: Path, expected_sha256: str | None) -> None:
    if expected_sha256 is None:
        return
    found = _description_sha256(folder)
    if found != expected_sha256:
        raise BundleError(f"{folder / BUNDLE_FILE}: expected sha256 {expected_sha256}, found {found}")


def _other_files(id_: ModelId) -> ConflictError:
    return ConflictError(f"{id_} is registered with other files; a version never changes, so give this one another")
