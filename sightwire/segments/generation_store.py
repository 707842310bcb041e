"""Records of generations in the blob store, one object each, by name."""

from sightwire.blobs.store import BlobStore
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.generations import GenerationRecord, generation_number, parse_generation
from sightwire.segments.layout import IndexLayout


class GenerationStore:
    """Records of one index. Only the index's writer changes them."""

    def __init__(self, blobs: BlobStore, layout: IndexLayout) -> None:
        self._blobs = blobs
        self._layout = layout

    async def all(self) -> list[GenerationRecord]:
        """Every record, by number; that of the live generation too, if it was not always live.

        Raises:
            CorruptDataError: one of them is damaged.
        """
        records: list[GenerationRecord] = []
        for key in await self._blobs.keys(self._layout.generations_prefix):
            try:
                records.append(parse_generation(await self._blobs.get(key), key))
            except NotFoundError:
                # Forgotten since it was listed.
                continue
        return sorted(records, key=lambda record: generation_number(record.name))

    async def find(self, name: str) -> GenerationRecord | None:
        """The record of a generation, None if there is none.

        Raises:
            CorruptDataError: it is damaged.
        """
        key = self._layout.generation_key(name)
        try:
            record = parse_generation(await self._blobs.get(key), key)
        except NotFoundError:
            return None
        if record.name != name:
            raise CorruptDataError(f"blob {key!r} holds the record of generation {record.name!r}, expected {name!r}")
        return record

    async def store(self, record: GenerationRecord) -> None:
        """Stores a record, in the place of an older one of its name. All that it refers to must be stored before."""
        await self._blobs.put(self._layout.generation_key(record.name), record.model_dump_json().encode())

    async def remove(self, name: str) -> None:
        """Forgets a generation; garbage collection then removes what only it needed."""
        await self._blobs.delete([self._layout.generation_key(name)])
