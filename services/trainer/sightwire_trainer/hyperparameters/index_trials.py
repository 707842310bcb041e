"""Trials that build a vector index of given parameters, and measure its recall and the time of its searches."""

import asyncio
import hashlib
import statistics
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt
import optuna
from pydantic import ValidationError

from sightwire.bundles import file_sha256
from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.errors import InvalidInputError
from sightwire.segments.description import FieldDescription, IndexDescription
from sightwire.segments.vector_file import map_vectors, write_vectors
from sightwire.segments.vector_index import VectorIndex
from sightwire.segments.vector_indexes.kinds import IndexKind, choose_kind
from sightwire.segments.vector_indexes.opening import build_index
from sightwire.segments.vectors import query_vectors, storable_vectors
from sightwire_trainer.hyperparameters.ranges import Range, Value
from sightwire_trainer.hyperparameters.searching import Completed, Failed, StudyThread, TrialEnd
from sightwire_trainer.hyperparameters.space import IndexSpace, suggested

#: Attributes of a trial.
RECALL: Final = "recall"
MILLISECONDS: Final = "milliseconds"

_VECTORS_FILE: Final = "vectors.f32"
#: Parameters that a search has, and an index has not.
_OF_SEARCH: Final = frozenset({"ef_search", "probes", "rerank"})

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an index is worth."""

    #: Share of the true `k` nearest that were found, over all queries.
    recall: float
    #: Median time of a search of one query.
    milliseconds: float


def objective(measurement: Measurement, milliseconds: float) -> float:
    """Recall within the budget; beyond it less than 0, and the less the slower, so that the search finds back."""
    if measurement.milliseconds <= milliseconds:
        return measurement.recall
    return 1.0 - measurement.milliseconds / milliseconds


class IndexTrials:
    """Builds indexes under `folder`; those that differ only in how they are searched are built once."""

    def __init__(self, space: IndexSpace, folder: Path) -> None:
        self._space = space
        # Other vectors have indexes of their own.
        self._folder = folder = folder / _digest([content_digests(space), space.metric, space.queries_at_most])
        folder.mkdir(parents=True, exist_ok=True)
        vectors, queries = _vectors_and_queries(space)
        stored = storable_vectors(vectors, space.metric, lambda row: f"vector {row} of those of {space.vectors}")
        self._queries = query_vectors(queries, stored.shape[1], space.metric)
        self._rows, self._dimension = stored.shape
        write_vectors(folder / _VECTORS_FILE, stored, space.metric)
        exact = VectorIndex(folder, self._field(None)).search_prepared(self._queries, space.k, exact=True)
        self._nearest = exact.rows

    async def carry_out(self, thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        """Measures an index of the trial's values."""
        values = await thread.do(lambda _study: suggested(self._space.parameters, trial))
        try:
            parameters = parameters_with(self._space.fixed | values)
        except InvalidInputError as error:
            return Failed(error.detail)
        measurement = await asyncio.to_thread(self.measure, parameters)
        await thread.do(partial(_note, trial=trial, measurement=measurement))
        return Completed(objective(measurement, self._space.milliseconds))

    def measure(self, parameters: IndexParameters) -> Measurement:
        """Recall and time of an index; queries are asked one by one, by one thread."""
        kind = choose_kind(parameters.type, rows=self._rows, min_rows=0, hurry=False)
        index = VectorIndex(self._folder, self._field(self._built(kind, parameters)))
        faiss.omp_set_num_threads(1)
        found, seconds = [], []
        for query in self._queries:
            started = time.perf_counter()
            hits = index.search_prepared(query[np.newaxis], self._space.k, ef_search=parameters.ef_search)
            seconds.append(time.perf_counter() - started)
            found.append(hits.rows[0])
        shares = [np.isin(rows, nearest).mean() for rows, nearest in zip(found, self._nearest, strict=True)]
        return Measurement(float(np.mean(shares)), statistics.median(seconds) * 1000)

    def _built(self, kind: IndexKind, parameters: IndexParameters) -> IndexDescription | None:
        if kind is IndexKind.FLAT:
            return None
        file = f"{kind.value}-{_digest(parameters.model_dump(mode='json', exclude=set(_OF_SEARCH)))}.faiss"
        if not (self._folder / file).exists():
            vectors = map_vectors(self._folder / _VECTORS_FILE, self._rows, self._dimension, self._space.metric)
            unfinished = self._folder / f"{file}.unfinished"
            build_index(unfinished, vectors, self._space.metric, kind, parameters, threads=self._space.threads)
            unfinished.rename(self._folder / file)
        return IndexDescription(file=file, kind=kind, parameters=parameters)

    def _field(self, index: IndexDescription | None) -> FieldDescription:
        return FieldDescription(
            name="vectors",
            dimension=self._dimension,
            metric=self._space.metric,
            per_object=False,
            rows=self._rows,
            vectors_file=_VECTORS_FILE,
            index=index,
        )


def content_digests(space: IndexSpace) -> dict[str, str]:
    """The sha256 of each file of vectors: values of trials are comparable only between the same.

    Raises:
        InvalidInputError: a file cannot be read.
    """
    files = {"vectors": space.vectors} | ({} if space.queries is None else {"queries": space.queries})
    try:
        return {name: file_sha256(path) for name, path in files.items()}
    except OSError as error:
        raise InvalidInputError(f"cannot read vectors: {error}") from None


def parameters_with(values: dict[str, Value]) -> IndexParameters:
    """Index parameters of the values of a trial; HNSW unless `type` says otherwise.

    Raises:
        InvalidInputError: they are none.
    """
    try:
        return IndexParameters.model_validate({"type": IndexType.HNSW} | values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InvalidInputError(f"these are no index parameters: {faults}") from None


def require_fitting(fixed: dict[str, Value], parameters: dict[str, Range]) -> None:
    """Tries both ends of each range, and each choice.

    Raises:
        InvalidInputError: a name or a value is none of index parameters.
    """
    for name, range_ in parameters.items():
        for value in range_.corners:
            parameters_with(fixed | {name: value})


def _note(_study: optuna.Study, *, trial: optuna.Trial, measurement: Measurement) -> None:
    trial.set_user_attr(RECALL, measurement.recall)
    trial.set_user_attr(MILLISECONDS, measurement.milliseconds)


def _vectors_and_queries(space: IndexSpace) -> tuple[Matrix, Matrix]:
    """What is indexed and what is asked. Queries from among the rows are not indexed: each would find itself."""
    vectors = _read(space.vectors)
    asked = vectors if space.queries is None else _read(space.queries)
    at_most = len(asked) // 2 if space.queries is None else len(asked)
    chosen = np.random.default_rng(0).permutation(len(asked))[: min(space.queries_at_most, at_most)]
    if not len(chosen):
        raise InvalidInputError(f"expected at least two vectors in {space.vectors}, got {len(vectors)}")
    return np.delete(vectors, chosen, axis=0) if space.queries is None else vectors, asked[chosen]


def _read(path: Path) -> Matrix:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read vectors from {path}: {error}; expected .npy") from None
    if matrix.ndim != 2 or not len(matrix):
        raise InvalidInputError(f"expected vectors as [rows, dimension] in {path}, got shape {list(matrix.shape)}")
    return np.ascontiguousarray(matrix, dtype=np.float32)


def _digest(document: Any) -> str:
    return hashlib.sha256(repr(document).encode()).hexdigest()[:16]
