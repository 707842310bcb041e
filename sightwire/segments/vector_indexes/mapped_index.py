"""Opens index files without reading them: what FAISS can leave in the mapped file stays there."""

from pathlib import Path
from typing import Any

import faiss

from sightwire.errors import CorruptDataError
from sightwire.segments.vector_file import MappedVectors


def read_mapped_index(path: Path, vectors: MappedVectors, flags: int = 0) -> Any:
    """Maps an index over `vectors`.

    Raises:
        CorruptDataError: the file is no index over these vectors.
    """
    try:
        index = faiss.read_index(str(path), flags | faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise CorruptDataError(f"{path} is not a vector index: {error}") from None
    if index.ntotal != vectors.index.ntotal or index.d != vectors.index.d:
        raise CorruptDataError(
            f"{path} is an index over {index.ntotal} x {index.d} vectors, "
            f"but the field has {vectors.index.ntotal} x {vectors.index.d}"
        )
    return index
