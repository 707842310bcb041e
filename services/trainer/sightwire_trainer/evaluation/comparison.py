"""Two models on the same queries: who wins which, and whether the difference is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

from sightwire.errors import InvalidInputError
from sightwire_trainer.evaluation.intervals import (
    DEFAULT_CONFIDENCE,
    DEFAULT_RESAMPLES,
    Interval,
    paired_intervals,
)
from sightwire_trainer.evaluation.model import TaskResult
from sightwire_trainer.evaluation.task import RetrievalTask


@dataclass(frozen=True, slots=True)
class QueryDuel:
    """Where two models rank the best answer to one query."""

    #: Number of the query in its task.
    query: int
    label: str
    first_rank: float
    second_rank: float

    @property
    def gain(self) -> float:
        """Of the first model over the second, in reciprocal ranks: what happens far down counts little."""
        return 1 / self.first_rank - 1 / self.second_rank


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first model against the second in one task."""

    task: RetrievalTask
    #: First minus second, for each measure; of the median rank less is better.
    differences: dict[str, Interval]
    #: Queries whose answer the first model ranks better, the largest gain first.
    wins: tuple[QueryDuel, ...]
    #: Queries whose answer the second model ranks better, the largest loss first.
    losses: tuple[QueryDuel, ...]
    #: Queries with the same rank in both, the best ranks first.
    ties: tuple[QueryDuel, ...]


def compare(
    first: TaskResult,
    second: TaskResult,
    *,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """Compares two models' results in the same task.

    Raises:
        InvalidInputError: the results are of different queries.
    """
    if first.task.queries != second.task.queries or first.task.candidates != second.task.candidates:
        raise InvalidInputError(
            f"expected results of one task, got {first.task.dataset} {first.task.direction} "
            f"and {second.task.dataset} {second.task.direction}"
        )
    duels = _duels(first, second)
    return Comparison(
        first.task,
        paired_intervals(
            first.report.by_query, second.report.by_query, resamples=resamples, confidence=confidence, seed=seed
        ),
        wins=tuple(sorted((duel for duel in duels if duel.gain > 0), key=lambda duel: -duel.gain)),
        losses=tuple(sorted((duel for duel in duels if duel.gain < 0), key=lambda duel: duel.gain)),
        ties=tuple(sorted((duel for duel in duels if duel.gain == 0), key=lambda duel: duel.first_rank)),
    )


def _duels(first: TaskResult, second: TaskResult) -> Sequence[QueryDuel]:
    ranks = zip(first.report.by_query.first_ranks.tolist(), second.report.by_query.first_ranks.tolist(), strict=True)
    return [
        QueryDuel(query, label, first_rank, second_rank)
        for query, (label, (first_rank, second_rank)) in enumerate(zip(first.task.queries.labels, ranks, strict=True))
    ]
