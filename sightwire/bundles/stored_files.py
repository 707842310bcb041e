"""Files of bundles in the blob store, by their sha256: the same file of many versions lies there once."""

import asyncio
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sightwire.blobs import BlobStore
from sightwire.bundles.loading import BUNDLE_FILE, Bundle, BundleError, file_sha256, load_bundle
from sightwire.contracts.models import ModelFile, ModelId
from sightwire.errors import ConflictError, NotFoundError

logger = logging.getLogger(__name__)


class BundleFiles:
    """Stores and fetches the files of bundles. Nothing here blocks the event loop for long."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def store(self, bundle: Bundle) -> tuple[ModelFile, ...]:
        """Stores every file of a bundle that is not there yet, `bundle.yaml` first.

        Each stored copy is read back, also one that was there before; a damaged one is replaced. Should storing fail in
        the middle, the copies made so far stay: another registration that runs meanwhile may rely on them.

        Raises:
            ConflictError: a file is changed while it is stored.
            UnavailableError: the blob store does not answer.
        """
        description = bundle.path(BUNDLE_FILE)
        expected = {BUNDLE_FILE: await asyncio.to_thread(file_sha256, description)}
        expected |= {file.path: file.sha256 for file in bundle.spec.files}
        return tuple([await self._store_file(bundle.folder, path, sha256) for path, sha256 in expected.items()])

    async def fetch(self, model: ModelId, files: Sequence[ModelFile], destination: Path) -> Bundle:
        """The bundle in the folder `destination`/NAME-VERSION, verified; fetched unless it is there and whole.

        The folder appears only when it is whole. Any number of processes may fetch the same one at once.

        Raises:
            NotFoundError: a file is missing in the blob store.
            BundleError: a file in the blob store is not the registered one; no folder is made.
            UnavailableError: the blob store does not answer.
        """
        folder = destination / f"{model.name}-{model.version}"
        if await asyncio.to_thread(_is_whole, folder, model, files):
            return await asyncio.to_thread(load_bundle, folder, verify=False)
        await asyncio.to_thread(destination.mkdir, parents=True, exist_ok=True)
        partial = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=destination, prefix=f".{folder.name}."))
        try:
            for file in files:
                await self._blobs.download(_key(file.sha256), partial / file.path)
            await asyncio.to_thread(_check_fetched, partial, model, files)
            await asyncio.to_thread(_put_in_place, partial, folder, model, files)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
        return await asyncio.to_thread(load_bundle, folder, verify=False)

    async def download_folder(self, prefix: str, destination: Path) -> None:
        """Copies a bundle that lies in the blob store as a folder, with `bundle.yaml` in it.

        Raises:
            NotFoundError: there is no `bundle.yaml` below `prefix`.
        """
        prefix = prefix.strip("/")
        keys = await self._blobs.keys(prefix)
        if f"{prefix}/{BUNDLE_FILE}" not in keys:
            raise NotFoundError(f"there is no {BUNDLE_FILE} below {prefix!r} in the blob store")
        for key in keys:
            await self._blobs.download(key, destination / key.removeprefix(f"{prefix}/"))

    async def _store_file(self, folder: Path, path: str, sha256: str) -> ModelFile:
        key = _key(sha256)
        if not await self._is_stored(key, sha256):
            await self._blobs.put(key, folder / path)
            if not await self._is_stored(key, sha256):
                await self._blobs.delete([key])
                raise ConflictError(
                    f"bundle file {folder / path} was changed while it was registered, or the blob store damages what "
                    "it stores; try again"
                )
        size = await self._blobs.size(key)
        assert size is not None, f"blob {key} is gone since it was read"
        return ModelFile(path=path, sha256=sha256, bytes=size)

    async def _is_stored(self, key: str, sha256: str) -> bool:
        found = hashlib.sha256()
        try:
            async for chunk in self._blobs.stream(key):
                await asyncio.to_thread(found.update, chunk)
        except NotFoundError:
            return False
        return found.hexdigest() == sha256


def _key(sha256: str) -> str:
    return f"models/files/{sha256[:2]}/{sha256}"


def _is_whole(folder: Path, model: ModelId, files: Sequence[ModelFile]) -> bool:
    if not folder.is_dir():
        return False
    try:
        _check_fetched(folder, model, files)
    except BundleError as error:
        logger.warning("a fetched bundle is damaged and is fetched again", extra={"error": str(error)})
        return False
    return True


def _check_fetched(folder: Path, model: ModelId, files: Sequence[ModelFile]) -> None:
    """Raises BundleError unless each file is the registered one."""
    for file in files:
        path = folder / file.path
        try:
            found = file_sha256(path)
        except OSError as error:
            raise BundleError(f"model {model}: cannot read {path}: {error.strerror}") from error
        if found != file.sha256:
            raise BundleError(
                f"model {model}: file {file.path!r} should have sha256 {file.sha256}, but has {found}; register the "
                "bundle again from a whole copy, which replaces the damaged one in the blob store"
            )


def _put_in_place(partial: Path, folder: Path, model: ModelId, files: Sequence[ModelFile]) -> None:
    """Renames the whole copy, in the place of a damaged one; what another process put there meanwhile is as good."""
    partial.chmod(0o755)  # temporary folders are for their owner alone
    discarded = partial.with_name(f"{partial.name}.old")
    try:
        if folder.exists():
            folder.rename(discarded)
        partial.rename(folder)
    except OSError:
        if not _is_whole(folder, model, files):
            raise
    finally:
        shutil.rmtree(discarded, ignore_errors=True)
