"""Which kind of index a field of a segment gets."""

from enum import StrEnum
from typing import Final

from sightwire.contracts.collections import IndexType

#: Fewer vectors than this cannot fill enough inverted lists for reading a few of them to be worth it.
IVF_MIN_ROWS: Final = 1_000
#: Product quantisation learns 256 code words a byte, each from about 39 vectors.
PQ_MIN_ROWS: Final = 10_000


class IndexKind(StrEnum):
    """How the vectors of a field of one segment are indexed."""

    #: No index: every vector is compared.
    FLAT = "flat"
    #: A graph of links over the whole vectors.
    HNSW = "hnsw"
    #: The same graph over one byte a number.
    HNSW_SQ = "hnsw_sq"
    #: Inverted lists of one byte a number: built many times quicker than a graph.
    IVF_SQ = "ivf_sq"
    #: Inverted lists of product-quantised vectors: the smallest.
    IVF_PQ = "ivf_pq"

    @property
    def is_quantized(self) -> bool:
        """Whether a search touches only the whole vectors of its best candidates."""
        return self in (IndexKind.HNSW_SQ, IndexKind.IVF_SQ, IndexKind.IVF_PQ)


def choose_kind(type_: IndexType, *, rows: int, min_rows: int, hurry: bool) -> IndexKind:
    """The kind of index for `rows` vectors of a field.

    Args:
        type_: what the collection or the field asks for.
        min_rows: fewer vectors are always searched exactly.
        hurry: more vectors are streaming in, so that the segment will soon be merged into another: where the type
            leaves the choice, the index had better be quick to build.
    """
    if rows < min_rows or type_ is IndexType.FLAT:
        return IndexKind.FLAT
    match type_:
        case IndexType.AUTO:
            return IndexKind.IVF_SQ if hurry and rows >= IVF_MIN_ROWS else IndexKind.HNSW
        case IndexType.HNSW:
            return IndexKind.HNSW
        case IndexType.HNSW_SQ:
            return IndexKind.HNSW_SQ
        case IndexType.IVF_PQ if rows >= PQ_MIN_ROWS:
            return IndexKind.IVF_PQ
        case _:
            return IndexKind.IVF_SQ if rows >= IVF_MIN_ROWS else IndexKind.FLAT
