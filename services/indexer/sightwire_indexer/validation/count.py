"""Gate: the candidate holds as many items as what it was made from, each once.

The base is what the candidate was made from, not the live generation: what was put, updated or deleted since is the
affair of the switch, which carries it over, and is no difference. Against a complete source (see `Source`) every item
is compared, by id and version: an item that is missing counts, and so does one too many. Of a backup only the number
is known. Where the base is gone, what the live generation has and the candidate lacks counts, unless its version is
higher than any that the candidate knows, so that it came later.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sightwire.contracts.validation import GateReport
from sightwire.segments.carry_over import rows_lacking
from sightwire.segments.version_index import LiveSegment
from sightwire_indexer.validation.searching import GenerationSearch
from sightwire_indexer.validation.trial import Trial, gate_report

#: Ids that are named of those that are missing, too many, or there twice.
_NAMED: Final = 8


def count(trial: Trial) -> GateReport:
    """Compares with the source; the number of vectors too, where source and candidate are of one space."""
    candidate, source = trial.candidate, trial.source
    expected = source.items if source.items is not None else source.search.generation.items
    twice = _twice(candidate)
    failures = list(twice)
    if source.items is not None and not source.complete:
        difference = abs(candidate.generation.items - source.items)
        compared = "what it was made from"
    else:
        missing, surplus = _different_items(trial)
        difference = sum(map(len, missing)) + sum(map(len, surplus))
        compared = "its base" if source.complete else "the live generation"
        failures += _naming("missing", source.search.segments, missing)
        failures += _naming("too many", candidate.segments, surplus)
    share = difference / max(expected, 1)
    vectors = {field: candidate.vectors(field) for field in trial.fields}
    lacking_vectors = _lacking_vectors(trial)
    allowed = trial.thresholds.max_count_difference
    return gate_report(
        "count",
        f"{candidate.generation.items} items, {compared} has {expected}: {difference} differ ({share:.3%}, up to "
        f"{allowed:.3%} may)",
        {"items": candidate.generation.items, "expected": expected, "different": difference, "vectors": vectors},
        [*failures, *lacking_vectors],
        passed=share <= allowed and not lacking_vectors and not twice,
    )


def _different_items(trial: Trial) -> tuple[list[npt.NDArray[np.uint32]], list[npt.NDArray[np.uint32]]]:
    """Rows of the source that the candidate lacks, and rows of the candidate that the source lacks, by segment."""
    candidate, source = trial.candidate.segments, trial.source.search.segments
    missing = rows_lacking(source, candidate)
    if trial.source.complete:
        return missing, rows_lacking(candidate, source)
    known = max((segment.reader.description.max_version or 0 for segment in candidate), default=0)
    missing = [rows[segment.reader.versions[rows] <= known] for segment, rows in zip(source, missing, strict=True)]
    return missing, [np.empty(0, dtype=np.uint32)] * len(candidate)


def _lacking_vectors(trial: Trial) -> list[str]:
    candidate, source = trial.candidate, trial.source.search
    if not trial.source.complete or candidate.generation.space != source.generation.space:
        return []
    allowed = trial.thresholds.max_count_difference
    return [
        f"field {field!r} has {candidate.vectors(field)} vectors, its base has {source.vectors(field)}"
        for field in trial.fields
        if abs(candidate.vectors(field) - source.vectors(field)) > allowed * max(source.vectors(field), 1)
    ]


def _twice(search: GenerationSearch) -> list[str]:
    """Items that are live in two segments."""
    hashes = [segment.reader.id_hashes[rows] for segment, rows in zip(search.segments, search.live_rows, strict=True)]
    if not hashes:
        return []
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    repeated = values[counts > 1]
    rows = [
        live[np.isin(part, repeated)].astype(np.uint32) for part, live in zip(hashes, search.live_rows, strict=True)
    ]
    return _naming("there twice", search.segments, rows)


def _naming(what: str, segments: Sequence[LiveSegment], rows: Sequence[npt.NDArray[np.uint32]]) -> list[str]:
    total = sum(map(len, rows))
    if not total:
        return []
    ids = [item_id for segment, part in zip(segments, rows, strict=True) for item_id in segment.reader.ids(part)]
    named = ", ".join(sorted(set(ids))[:_NAMED])
    return [f"{what}: {named}" + (f" and others, {total} in all" if total > _NAMED else "")]
