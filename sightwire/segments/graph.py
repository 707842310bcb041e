"""The graph index of a field (HNSW): links only; its vectors are those of the vectors file."""

from pathlib import Path
from typing import Any

import faiss

from sightwire.errors import CorruptDataError
from sightwire.segments.description import GraphParameters
from sightwire.segments.vector_file import MappedVectors


def build_graph(path: Path, vectors: MappedVectors, parameters: GraphParameters, *, threads: int) -> None:
    """Builds the graph over mapped vectors with at most `threads` threads and writes it without the vectors.

    The thread bound is FAISS's own, for the whole process: build in a process that serves nothing else.
    """
    dimension = vectors.matrix.shape[1]
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexHNSWFlat(dimension, parameters.m, vectors.index.metric_type)
    index.hnsw.efConstruction = parameters.ef_construction
    index.add(vectors.matrix)
    faiss.write_index(index, str(path), faiss.IO_FLAG_SKIP_STORAGE)


def open_graph(path: Path, vectors: MappedVectors) -> Any:
    """Maps a graph and attaches the vectors; the caller keeps `vectors` as long as the graph.

    Raises:
        CorruptDataError: the file is no graph over these vectors.
    """
    try:
        graph = faiss.read_index(str(path), faiss.IO_FLAG_SKIP_STORAGE | faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise CorruptDataError(f"{path} is not a graph index: {error}") from None
    if graph.ntotal != vectors.index.ntotal or graph.d != vectors.index.d:
        raise CorruptDataError(
            f"{path} is a graph over {graph.ntotal} x {graph.d} vectors, "
            f"but the field has {vectors.index.ntotal} x {vectors.index.d}"
        )
    graph.storage = vectors.index
    # Python owns the flat index; without this, FAISS would free it a second time.
    graph.own_fields = False
    return graph
