"""What the vectors of a field take of memory, as far as that is known without measuring the process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VectorMemory:
    """Bytes of the vectors of one field, or of several, added up."""

    vectors: int = 0
    #: Of indexes: links, codes, lists. Any search touches them, so they should stay in memory.
    index_bytes: int = 0
    #: Of the whole vectors, in a mapped file that the system reads and drops as it likes.
    mapped_vector_bytes: int = 0
    #: Those of `mapped_vector_bytes` that searches walk through. The rest serves re-ranking alone, which touches a few
    #: vectors a query.
    searched_vector_bytes: int = 0

    @property
    def resident_bytes(self) -> int:
        """What must fit into memory for searches not to wait for the disk."""
        return self.index_bytes + self.searched_vector_bytes

    @property
    def resident_bytes_per_vector(self) -> float:
        return self.resident_bytes / self.vectors if self.vectors else 0.0

    def __add__(self, other: VectorMemory) -> VectorMemory:
        return VectorMemory(
            self.vectors + other.vectors,
            self.index_bytes + other.index_bytes,
            self.mapped_vector_bytes + other.mapped_vector_bytes,
            self.searched_vector_bytes + other.searched_vector_bytes,
        )
