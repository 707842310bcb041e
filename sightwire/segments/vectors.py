"""How vectors are stored and compared, by metric.

Cosine vectors are normalised when stored, so that cosine is the inner product; dot and l2 vectors are stored as they
come. A score is higher for closer vectors whatever the metric: cosine, inner product, or the negative squared distance.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import Metric
from sightwire.errors import InvalidVectorError

Matrix = npt.NDArray[np.float32]

# Vectors of the platform's own models come normalised; those need not be copied.
_UNIT_TOLERANCE: Final = 1e-6


def storable_vectors(matrix: Matrix, metric: Metric, describe_row: Callable[[int], str]) -> Matrix:
    """`matrix`, float32 [n, dimension], as it is stored for `metric`; returned as it is where nothing changes.

    Args:
        describe_row: names the owner of a row in an error.

    Raises:
        InvalidVectorError: a value is not finite, or a cosine vector has no direction.
    """
    bad_rows = unstorable_rows(matrix, metric)
    if bad_rows.size:
        row = int(bad_rows[0])
        raise InvalidVectorError(f"{describe_row(row)}: {_defect(matrix[row])}")
    return normalized(matrix) if metric is Metric.COSINE else matrix


def unstorable_rows(matrix: Matrix, metric: Metric) -> npt.NDArray[np.int64]:
    """Rows that `storable_vectors` would refuse; int64, ascending."""
    # One pass without temporaries of the matrix's size: any NaN or infinity makes the row's squared norm not finite.
    with np.errstate(over="ignore", invalid="ignore"):
        squared_norms = np.einsum("ij,ij->i", matrix, matrix)
    usable = np.isfinite(squared_norms)
    if metric is Metric.COSINE:
        usable &= squared_norms > 0
    return np.flatnonzero(~usable)


def is_storable(vector: Matrix, metric: Metric) -> bool:
    """Whether `storable_vectors` would take one vector, float32 [dimension]; the same test without its overhead."""
    # Unlike `dot`, `vdot` does not warn of an overflow, which is what is looked for.
    squared_norm = float(np.vdot(vector, vector))
    return math.isfinite(squared_norm) and (squared_norm > 0 or metric is not Metric.COSINE)


def normalized(matrix: Matrix) -> Matrix:
    """Rows of a float32 [n, dimension] matrix scaled to length 1; the matrix itself if they are already."""
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    if np.all(np.abs(norms - 1) <= _UNIT_TOLERANCE):
        return matrix
    return np.asarray(matrix / norms[:, None], dtype=np.float32)


def query_vectors(queries: npt.NDArray[np.generic], dimension: int, metric: Metric) -> Matrix:
    """Queries of any float type, [n, dimension], as float32 rows comparable with stored vectors.

    Raises:
        InvalidVectorError: wrong shape, a value that is not finite, or a cosine query without direction.
    """
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise InvalidVectorError(f"expected queries of shape [n, {dimension}], got {list(queries.shape)}")
    matrix = np.ascontiguousarray(queries, dtype=np.float32)
    return storable_vectors(matrix, metric, lambda row: f"query {row}")


def _defect(vector: Matrix) -> str:
    if not np.all(np.isfinite(vector)):
        return "expected finite numbers, got NaN or infinity"
    if np.any(vector):
        return "its length is too large or too small for float32"
    return "a vector of zeros has no direction, which cosine needs"
