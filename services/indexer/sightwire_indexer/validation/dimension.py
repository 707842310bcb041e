"""Gate: the vectors of each field have its dimension and metric, are finite, and for cosine of length 1."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from sightwire.contracts.collections import Metric
from sightwire.contracts.validation import GateReport
from sightwire.segments.schema import VectorColumn
from sightwire.segments.vectors import unstorable_rows
from sightwire_indexer.validation.searching import GenerationSearch, Target
from sightwire_indexer.validation.trial import Trial, gate_report

_CHUNK_ROWS: Final = 65_536
_LENGTH_TOLERANCE: Final = 1e-3


def dimension(trial: Trial) -> GateReport:
    """Looks at all vectors, deleted ones included."""
    failures: list[str] = []
    vectors = {column.name: 0 for column in trial.schema.vectors}
    for column in trial.schema.vectors:
        for position, segment in enumerate(trial.candidate.segments):
            trial.go_on()
            index = segment.reader.fields[column.name]
            vectors[column.name] += index.rows
            described = (index.description.dimension, index.description.metric)
            if described != (column.dimension, column.metric):
                failures.append(
                    f"field {column.name!r} of segment {segment.reader.id} has dimension {described[0]} and metric "
                    f"{described[1].value}, expected {column.dimension} and {column.metric.value}"
                )
                continue
            failures += _unusable_vectors(trial.candidate, position, column)
    return gate_report(
        "dimension",
        f"{sum(vectors.values())} vectors in {len(vectors)} fields looked at, {len(failures)} unusable",
        {"vectors": vectors, "unusable": len(failures)},
        failures,
        passed=not failures,
    )


def _unusable_vectors(candidate: GenerationSearch, position: int, column: VectorColumn) -> Iterator[str]:
    index = candidate.segments[position].reader.fields[column.name]
    matrix = index.matrix
    for start in range(0, len(matrix), _CHUNK_ROWS):
        chunk = matrix[start : start + _CHUNK_ROWS]
        unusable = unstorable_rows(chunk, column.metric)
        if column.metric is Metric.COSINE and not unusable.size:
            lengths = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
            unusable = np.flatnonzero(np.abs(lengths - 1) > _LENGTH_TOLERANCE)
        for row in unusable.tolist():
            target = Target(position, int(index.target_rows(start + row, start + row + 1)[0]))
            length = float(np.linalg.norm(chunk[row].astype(np.float64)))
            expected = "length 1" if column.metric is Metric.COSINE else "a finite length"
            owner = candidate.item_id(column.name, target)
            yield f"the vector of item {owner!r} in field {column.name!r} has length {length:g}, expected {expected}"
