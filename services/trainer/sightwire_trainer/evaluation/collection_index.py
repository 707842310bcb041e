"""A collection of a running platform as an index of a task's candidates, filled and searched by the public API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from sightwire.client import Sightwire
from sightwire.errors import ConflictError, InvalidVectorError, UnavailableError
from sightwire_trainer.evaluation.index_search import Rows
from sightwire_trainer.evaluation.ranks import Matrix

_FIELD: Final = "embedding"
_ITEMS_PER_CALL: Final = 512
#: How long the platform may take until the last candidate can be found, in seconds.
_PATIENCE: Final = 300.0


class CollectionIndex:
    """Candidates as items whose ids are their rows."""

    def __init__(self, sightwire: Sightwire, collection: str) -> None:
        self._sightwire = sightwire
        self._collection = collection

    def fill(self, candidates: Matrix) -> None:
        """Puts all candidates, float32 [candidates, dimension], and waits until they can be found."""
        for start in range(0, len(candidates), _ITEMS_PER_CALL):
            part = candidates[start : start + _ITEMS_PER_CALL]
            items = [{"id": str(row), "vectors": {_FIELD: vector}} for row, vector in enumerate(part, start)]
            refused = self._sightwire.items.put_many(self._collection, items).failed
            if refused:
                raise InvalidVectorError(
                    f"collection {self._collection!r} refused {len(refused)}: {refused[0].problem}"
                )
        give_up_at = time.monotonic() + _PATIENCE
        for row in range(len(candidates)):
            seconds = max(1.0, give_up_at - time.monotonic())
            status = self._sightwire.items.wait(self._collection, str(row), timeout=seconds)
            if status.state != "searchable":
                raise UnavailableError(f"candidate {row} is {status.state}, not searchable: {status.reason}")

    def search(self, queries: Matrix, k: int) -> Rows:
        """Rows of the nearest candidates of each query, best first, int64 [queries, k]; -1 where fewer were found."""
        found = np.full((len(queries), k), -1, np.int64)
        for row, query in enumerate(queries):
            hits = self._sightwire.search(self._collection, vector=(_FIELD, query), k=k).hits
            found[row, : len(hits)] = [int(hit.id) for hit in hits]
        return found


@contextmanager
def collection_index(sightwire: Sightwire, name: str, candidates: Matrix) -> Iterator[CollectionIndex]:
    """A new collection with the candidates in it, deleted afterwards.

    Raises:
        ConflictError: there is a collection of that name; it is left alone.
        sightwire.client.ApiError, ConnectionFailedError: the platform refuses, or does not answer.
    """
    if any(summary.name == name for summary in sightwire.collections.list()):
        raise ConflictError(f"collection {name!r} exists; name one that does not: it is made, searched and deleted")
    field = {"source": "user", "dimension": candidates.shape[1], "metric": "dot"}
    sightwire.collections.create(name, fields={_FIELD: field}, description="Candidates of an evaluation")
    try:
        index = CollectionIndex(sightwire, name)
        index.fill(candidates)
        yield index
    finally:
        sightwire.collections.delete(name)
