"""Gate: searches take no longer than in the live generation, give or take.

The same queries, one after the other and turn about in both, so that whatever else the machine does hits both alike;
medians are compared. A live generation with far fewer vectors is no measure.
"""

import time
from statistics import median
from typing import Final

from sightwire.contracts.validation import GateReport
from sightwire.segments.vectors import Matrix
from sightwire_indexer.validation.recall import queries_near_vectors
from sightwire_indexer.validation.searching import GenerationSearch
from sightwire_indexer.validation.trial import Trial, gate_report

#: Of the candidate's vectors, as many the live generation must have to be compared with.
_COMPARABLE_SHARE: Final = 0.5
_SLOWEST_NAMED: Final = 5
#: A median needs no more.
_MAX_QUERIES: Final = 100


def latency(trial: Trial) -> GateReport:
    """Compares median latencies, field by field."""
    measured: dict[str, dict[str, float]] = {}
    failures: list[str] = []
    for field in trial.fields:
        vectors = trial.candidate.vectors(field)
        if not vectors or trial.live.vectors(field) < _COMPARABLE_SHARE * vectors:
            continue
        owners, queries = queries_near_vectors(trial.candidate, field, min(trial.thresholds.sample, _MAX_QUERIES))
        times = _times(trial, field, queries)
        ours, theirs = median(time for time, _ in times), median(time for _, time in times)
        measured[field] = {"candidate_ms": round(ours, 3), "live_ms": round(theirs, 3)}
        limit = max(theirs * trial.thresholds.max_latency_ratio, theirs + trial.thresholds.latency_slack_ms)
        if ours > limit:
            failures.append(
                f"field {field!r}: median {ours:.2f} ms, live {theirs:.2f} ms, up to {limit:.2f} ms are allowed"
            )
            slowest = sorted(zip(times, owners, strict=True), key=lambda pair: -pair[0][0])[:_SLOWEST_NAMED]
            failures += [
                f"field {field!r}, near item {owner!r}: {own:.2f} ms, live {other:.2f} ms"
                for (own, other), owner in slowest
            ]
    summary = "; ".join(
        f"{field} {times['candidate_ms']:.2f} ms, live {times['live_ms']:.2f} ms" for field, times in measured.items()
    )
    return gate_report(
        "latency",
        summary or "nothing to compare with: the live generation has too few vectors",
        {"latency": measured},
        failures,
        passed=not failures,
    )


def _times(trial: Trial, field: str, queries: Matrix) -> list[tuple[float, float]]:
    """Milliseconds of each query in the candidate and in the live generation."""
    k = trial.thresholds.k
    # Once beforehand, so that no first touch of a mapped page is measured.
    for search in (trial.candidate, trial.live):
        search.search(field, queries, k)
    times: list[tuple[float, float]] = []
    for number in range(len(queries)):
        trial.go_on()
        query = queries[number : number + 1]
        # Whoever comes second finds the query in the processor's caches.
        if number % 2:
            other = _milliseconds(trial.live, field, query, k)
            times.append((_milliseconds(trial.candidate, field, query, k), other))
        else:
            own = _milliseconds(trial.candidate, field, query, k)
            times.append((own, _milliseconds(trial.live, field, query, k)))
    return times


def _milliseconds(search: GenerationSearch, field: str, query: Matrix, k: int) -> float:
    started = time.perf_counter()
    search.search(field, query, k)
    return (time.perf_counter() - started) * 1000
