"""Builds and opens the index of a field, of whatever kind."""

from pathlib import Path

import faiss

from sightwire.contracts.collections import IndexParameters, Metric
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import ApproximateIndex
from sightwire.segments.vector_indexes.hnsw import (
    GraphIndex,
    build_graph,
    build_quantized_graph,
    open_graph,
)
from sightwire.segments.vector_indexes.ivf import InvertedListIndex, build_lists, build_product_quantized_lists
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.mapped_index import read_mapped_index


def build_index(
    path: Path, vectors: MappedVectors, metric: Metric, kind: IndexKind, parameters: IndexParameters, *, threads: int
) -> None:
    """Builds an index of any kind but `flat` with at most `threads` threads and writes it to `path`.

    The bound is FAISS's own for the calling thread, and stays: build where nothing else is computed.
    """
    faiss.omp_set_num_threads(threads)
    match kind:
        case IndexKind.HNSW:
            build_graph(path, vectors, parameters)
        case IndexKind.HNSW_SQ:
            build_quantized_graph(path, vectors, parameters)
        case IndexKind.IVF_SQ:
            build_lists(path, vectors, metric, parameters)
        case IndexKind.IVF_PQ:
            build_product_quantized_lists(path, vectors, metric, parameters)
        case IndexKind.FLAT:
            raise ValueError("a flat field has no index to build")


def open_index(path: Path, vectors: MappedVectors, kind: IndexKind, parameters: IndexParameters) -> ApproximateIndex:
    """Maps the index that `build_index` wrote.

    Raises:
        CorruptDataError: the file is no index over these vectors.
    """
    match kind:
        case IndexKind.HNSW:
            return GraphIndex(open_graph(path, vectors), vectors, m=parameters.m, rerank=1)
        case IndexKind.HNSW_SQ:
            graph = read_mapped_index(path, vectors)
            return GraphIndex(graph, vectors, m=parameters.m, rerank=max(2, parameters.rerank))
        case IndexKind.IVF_SQ | IndexKind.IVF_PQ:
            # The table that is skipped would cost more memory than the codes.
            lists = read_mapped_index(path, vectors, faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
            return InvertedListIndex(lists, vectors, parameters)
        case IndexKind.FLAT:
            raise ValueError("a flat field has no index to open")
