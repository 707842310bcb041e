"""What all engines are given: vectors, queries, and the right answers, in files that each process maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

K: Final = 10
#: Every vector has one of so many buckets, at random, so that `bucket < n` selects n per cent.
BUCKETS: Final = 100
#: Selectivities that are compared, in per cent.
PERCENTS: Final = (100, 10, 1)
#: Of every graph: links per vector (twice as many at the bottom), and candidates looked at for a new vector.
M: Final = 16
EF_CONSTRUCTION: Final = 128
_SEED: Final = 7
#: Length of the random vector that is added to a unit vector to make a copy of it that differs.
_COPY_DISTANCE: Final = 0.3
_QUERY_BLOCK: Final = 100


@dataclass(frozen=True, slots=True)
class Task:
    """Vectors to find and queries to ask; unit length, float32."""

    name: str
    folder: Path
    #: [queries, dimension].
    queries: Matrix
    #: 0 to 99 for each vector, [vectors].
    buckets: Rows
    #: Vectors to insert into the finished index, [inserts, dimension].
    inserts: Matrix
    #: The K nearest of the selected vectors for each query, [queries, K], by per cent.
    truth: dict[int, Rows]

    @property
    def vectors(self) -> Matrix:
        """[vectors, dimension], mapped anew each time.

        Nobody has to let go of them before the memory of an engine is looked at that lives in the same process.
        """
        mapped: Matrix = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return mapped

    @classmethod
    def read(cls, folder: Path) -> "Task":
        """The task that `write_task` wrote into a folder."""
        name = (folder / "name").read_text(encoding="utf-8")
        parts = {part: np.load(folder / f"{part}.npy") for part in ("queries", "buckets", "inserts")}
        truth = {percent: np.load(folder / f"truth-{percent}.npy") for percent in PERCENTS}
        return cls(name, folder, truth=truth, **parts)


def write_task(folder: Path, name: str, vectors: Matrix, queries: Matrix, *, inserts: int) -> None:
    """Draws buckets, makes vectors to insert, finds the right answers by exact search; writes a new folder."""
    rng = np.random.default_rng(_SEED)
    buckets = rng.integers(0, BUCKETS, len(vectors))
    chosen = rng.choice(len(vectors), inserts, replace=False)
    folder.mkdir(parents=True)
    (folder / "name").write_text(name, encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "buckets.npy", buckets)
    np.save(folder / "inserts.npy", perturbed(vectors[chosen], rng))
    for percent in PERCENTS:
        np.save(folder / f"truth-{percent}.npy", nearest_rows(vectors, queries, np.flatnonzero(buckets < percent)))


def perturbed(vectors: Matrix, rng: np.random.Generator) -> Matrix:
    """Copies of unit vectors [n, dimension] that point a little elsewhere (cosine to the original about 0.96)."""
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    noise *= _COPY_DISTANCE / np.linalg.norm(noise, axis=1, keepdims=True)
    noise += vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return noise


def enlarged(vectors: Matrix, size: int) -> Matrix:
    """The first `size` of the vectors; where there are fewer, perturbed copies of them follow."""
    if size <= len(vectors):
        return np.ascontiguousarray(vectors[:size])
    rng = np.random.default_rng(_SEED)
    result = np.empty((size, vectors.shape[1]), dtype=np.float32)
    result[: len(vectors)] = vectors
    for start in range(len(vectors), size, len(vectors)):
        stop = min(start + len(vectors), size)
        result[start:stop] = perturbed(vectors[: stop - start], rng)
    return result


def recall(found: Sequence[Sequence[int]], truth: Rows) -> float:
    """Mean share of the right answers among those found; one answer per query, in their order."""
    hits: list[int] = [len(set(rows) & set(right.tolist())) for rows, right in zip(found, truth, strict=True)]
    wanted: int = truth.size
    return sum(hits) / wanted


def nearest_rows(vectors: Matrix, queries: Matrix, selected: Rows | None = None) -> Rows:
    """The K nearest of the selected vectors, of all for None, for each query by exact search; [queries, K]."""
    if selected is None:
        selected = np.arange(len(vectors))
    # All products at once would take gigabytes for a million vectors.
    candidates = vectors if len(selected) == len(vectors) else vectors[selected]
    blocks = []
    for start in range(0, len(queries), _QUERY_BLOCK):
        products = queries[start : start + _QUERY_BLOCK] @ candidates.T
        blocks.append(selected[np.argpartition(-products, K, axis=1)[:, :K]])
    return np.concatenate(blocks)
