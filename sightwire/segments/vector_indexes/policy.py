"""What kinds of indexes the fields of a segment get when it is written."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sightwire.contracts.collections import CollectionRecord, CollectionSpec, IndexParameters, VectorField
from sightwire.segments.vector_indexes.kinds import IndexKind, choose_kind


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """How the vector fields of a segment are indexed; see `choose_kind`."""

    #: Of fields without their own.
    parameters: IndexParameters
    #: Fields with fewer vectors are searched exactly.
    min_rows: int
    #: Bound of the build, all fields together.
    threads: int = 1
    #: Prefer what is quick to build: the segment will soon be merged into another.
    hurry: bool = False
    by_field: Mapping[str, IndexParameters] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, record: CollectionRecord, *, min_rows: int, threads: int = 1, hurry: bool = False) -> Self:
        """The policy that a collection asks for."""
        return cls(record.spec.index, min_rows, threads, hurry, own_parameters(record.spec))

    def parameters_of(self, field_name: str) -> IndexParameters:
        return self.by_field.get(field_name, self.parameters)

    def kind_of(self, field_name: str, rows: int) -> IndexKind:
        """The kind of index that `rows` vectors of a field get."""
        parameters = self.parameters_of(field_name)
        return choose_kind(parameters.type, rows=rows, min_rows=self.min_rows, hurry=self.hurry)

    def builds_graphs(self, rows: int) -> bool:
        """Whether a field with `rows` vectors may get a graph, which takes ten times as long as anything else."""
        kinds = {
            choose_kind(parameters.type, rows=rows, min_rows=self.min_rows, hurry=self.hurry)
            for parameters in (self.parameters, *self.by_field.values())
        }
        return bool(kinds & {IndexKind.HNSW, IndexKind.HNSW_SQ})


def index_parameters(field: VectorField, generation: IndexParameters) -> IndexParameters:
    """How a field is indexed and searched: as it says itself, else as its generation says."""
    return generation if field.index is None else field.index


def own_parameters(spec: CollectionSpec) -> dict[str, IndexParameters]:
    """Index parameters of the fields that have their own."""
    return {name: field.index for name, field in spec.fields.items() if field.index is not None}
