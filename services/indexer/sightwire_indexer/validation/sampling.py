"""Which items and vectors of a generation the gates look at: chosen evenly, and the same ones each time."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightwire_indexer.validation.searching import GenerationSearch, Target


def seeded(*names: str) -> np.random.Generator:
    """Random numbers that depend on nothing but `names`."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def sampled_items(search: GenerationSearch, count: int) -> list[Target]:
    """Up to `count` live items, each as likely as any other, so that large segments give more."""
    rng = seeded(search.generation.name, "items")
    return _chosen(search.live_rows, count, rng)


def sampled_vectors(search: GenerationSearch, field: str, count: int) -> list[Target]:
    """Targets of up to `count` vectors of a field that may be found."""
    rng = seeded(search.generation.name, "vectors", field)
    rows = [search.selection(position, field).rows for position in range(len(search.segments))]
    chosen = _chosen(rows, count, rng)
    targets: list[Target] = []
    for position, vector_row in chosen:
        index = search.segments[position].reader.fields[field]
        targets.append(Target(position, int(index.target_rows(vector_row, vector_row + 1)[0])))
    return targets


def _chosen(rows: Sequence[npt.NDArray[np.int64]], count: int, rng: np.random.Generator) -> list[Target]:
    """Segments and rows of a sample without repetition, in order."""
    ends = np.cumsum([len(part) for part in rows], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    numbers = np.sort(rng.choice(total, size=min(count, total), replace=False)) if total else np.empty(0, np.int64)
    positions = np.searchsorted(ends, numbers, side="right")
    return [
        Target(position, int(rows[position][number - (ends[position] - len(rows[position]))]))
        for position, number in zip(positions.tolist(), numbers.tolist(), strict=True)
    ]
