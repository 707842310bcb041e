"""What an index takes, as the searcher that answers has it loaded."""

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt


class _Statistics(BaseModel):
    model_config = ConfigDict(frozen=True)


class IndexKindStatistics(_Statistics):
    """Vectors of a field that are indexed in one way."""

    kind: str = Field(examples=["hnsw_sq"])
    segments: NonNegativeInt
    vectors: NonNegativeInt


class FieldStatistics(_Statistics):
    """Vectors of one field and their indexes, over all segments; sizes in bytes."""

    field: str
    vectors: NonNegativeInt = Field(description="Deleted ones included")
    dimension: NonNegativeInt
    metric: str
    kinds: tuple[IndexKindStatistics, ...] = Field(description="Those in use, most vectors first")
    index_bytes: NonNegativeInt = Field(description="Links, codes, lists")
    mapped_vector_bytes: NonNegativeInt = Field(description="Whole vectors, in mapped files")
    resident_bytes: NonNegativeInt = Field(description="What searches walk through; the rest serves re-ranking alone")
    resident_bytes_per_vector: float = Field(description="0 for a field without vectors")
    raw_bytes_per_vector: NonNegativeInt = Field(description="Of a whole vector in float32")

    @property
    def resident_to_raw(self) -> float | None:
        """Resident bytes over the raw vectors' bytes; None for a field without vectors."""
        return self.resident_bytes_per_vector / self.raw_bytes_per_vector if self.vectors else None


class SegmentStatistics(_Statistics):
    """One segment."""

    id: str
    items: NonNegativeInt = Field(description="Deleted ones included")
    deleted_items: NonNegativeInt
    disk_bytes: NonNegativeInt
    kinds: dict[str, str] = Field(description="Kind of index by field, of the fields with vectors")


class ProcessMemory(_Statistics):
    """Memory of the searcher's process, all its collections together."""

    resident_bytes: NonNegativeInt
    resident_file_bytes: NonNegativeInt = Field(description="Of these, pages of mapped files, which can be dropped")


class IndexStatistics(_Statistics):
    """The live generation of a collection as one searcher has loaded it; sizes in bytes."""

    collection: str
    generation: str
    manifest_version: NonNegativeInt
    items: NonNegativeInt
    deleted_items: NonNegativeInt = Field(description="Deleted or superseded, until a merge drops them")
    tombstones: NonNegativeInt = Field(description="Deletions that are remembered, in case their item arrives late")
    checkpoint: NonNegativeInt = Field(description="Last position of the log that is in it")
    segments: NonNegativeInt
    disk_bytes: NonNegativeInt
    resident_bytes: NonNegativeInt = Field(description="What must fit into memory for searches not to wait")
    text_bytes: NonNegativeInt = Field(description="Full-text indexes, part of the two above")
    fields: tuple[FieldStatistics, ...]
    largest_segments: tuple[SegmentStatistics, ...] = Field(description="At most 100, largest first")
    process: ProcessMemory | None = Field(default=None, description="Null where the system does not tell")
