"""A checked query."""

from collections.abc import Hashable
from dataclasses import dataclass

from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2


@dataclass(frozen=True, slots=True)
class CheckedFilter:
    """A filter that fits the collection. `key` is the same for the same filter."""

    message: searcher_pb2.Filter
    key: bytes


@dataclass(frozen=True, slots=True)
class FieldTarget:
    """One vector field to search."""

    field: str
    per_object: bool
    weight: float
    #: float32 [1, dimension]; None: the stored vector of `item_id`.
    vector: Matrix | None
    item_id: str


@dataclass(frozen=True, slots=True)
class Query:
    """What a search request asks for, checked against the snapshot that will answer."""

    targets: tuple[FieldTarget, ...]
    k: int
    offset: int
    filter: CheckedFilter | None
    ef_search: int
    explain: bool
    with_documents: bool
    #: Whether scores of several fields are averaged; their ranks are fused otherwise.
    by_mean_score: bool = False

    @property
    def batch_key(self) -> Hashable | None:
        """Queries of one snapshot with the same key differ in their vector only; None for those that run alone."""
        target = self.targets[0]
        runs_alone = len(self.targets) > 1 or target.vector is None or self.offset > 0 or self.explain
        if runs_alone:
            return None
        filter_key = self.filter.key if self.filter is not None else b""
        return target.field, filter_key, self.k, self.ef_search, self.with_documents
