"""Gate: the scores of each result list fall, are those of the stored vectors, and nothing comes twice."""

import itertools
from collections.abc import Iterator
from typing import Final

from sightwire.contracts.validation import GateReport
from sightwire.segments.vectors import Matrix
from sightwire_indexer.validation.recall import queries_near_vectors
from sightwire_indexer.validation.searching import GenerationSearch
from sightwire_indexer.validation.trial import Trial, batches, gate_report

_BATCH: Final = 32


def monotonicity(trial: Trial) -> GateReport:
    """Looks at each segment's own lists, before they are merged into one by score."""
    failures: list[str] = []
    lists = 0
    for field in trial.fields:
        owners, queries = queries_near_vectors(trial.candidate, field, trial.thresholds.sample)
        for position in range(len(trial.candidate.segments)):
            for batch in batches(range(len(queries)), _BATCH):
                trial.go_on()
                lists += len(batch)
                part = queries[batch[0] : batch[-1] + 1]
                for number, defect in _defects(trial.candidate, position, field, part, trial.thresholds.k):
                    failures.append(f"field {field!r}, near item {owners[batch[0] + number]!r}: {defect}")
    return gate_report(
        "monotonicity",
        f"{lists} result lists looked at, {len(failures)} defects",
        {"lists": lists, "defects": len(failures)},
        failures,
        passed=not failures,
    )


def _defects(search: GenerationSearch, position: int, field: str, queries: Matrix, k: int) -> Iterator[tuple[int, str]]:
    """Number of the query, and what is wrong with its results."""
    segment_id = search.segments[position].reader.id
    wanted = min(k, search.selection(position, field).count)
    for number, results in enumerate(search.search_segment(position, field, queries, k)):
        if len({found.target for found in results}) != wanted:
            yield number, f"segment {segment_id} answers with {len(results)} results, expected {wanted} different ones"
        for before, after in itertools.pairwise(results):
            if after.score > before.score:
                yield (
                    number,
                    f"in segment {segment_id} {search.item_id(field, after.target)!r} ({after.score:.6f}) comes after "
                    f"{search.item_id(field, before.target)!r} ({before.score:.6f})",
                )
                break
        for found in results:
            true = search.true_score(field, queries[number], found.target)
            if abs(found.score - true.value) > true.tolerance:
                yield (
                    number,
                    f"segment {segment_id} gives {search.item_id(field, found.target)!r} the score {found.score:.6f}, "
                    f"its vector has {true.value:.6f}",
                )
                break
