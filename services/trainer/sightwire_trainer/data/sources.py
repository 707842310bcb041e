"""Opens what a configuration names as a source of samples."""

from pathlib import Path
from typing import Protocol

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import FolderSource, Source, TarSource
from sightwire_trainer.data.collection_items import collection_tar
from sightwire_trainer.data.folders import FolderSamples
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.data.tars import TarSamples


class StoredSource(SampleSource, Protocol):
    """A source whose bytes lie in files."""

    def sha256(self) -> str:
        """Of these bytes, hexadecimal; all are read."""
        ...


def open_source(source: Source, *, cache: Path | None = None) -> StoredSource:
    """The samples of a source; those of a collection are downloaded into `cache` once.

    Raises:
        InvalidInputError: a path does not exist or is of another kind, or a collection comes without a `cache`.
        CorruptDataError: a tar or a table cannot be read.
        sightwire.client.ApiError, ConnectionFailedError: a collection's platform refuses, or does not answer.
    """
    if isinstance(source, TarSource):
        return TarSamples(source.path)
    if isinstance(source, FolderSource):
        return FolderSamples(source.path, source.captions)
    if cache is None:
        raise InvalidInputError(
            f"collection {source.name!r} has to be downloaded; give a folder to keep it in as cache"
        )
    return TarSamples(collection_tar(source, cache), name=f"collection {source.name}")
