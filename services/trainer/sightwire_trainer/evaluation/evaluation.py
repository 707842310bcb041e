"""A whole evaluation: a model on several tasks, beside another one if wanted, and through an index."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from sightwire_trainer.evaluation.comparison import Comparison, compare
from sightwire_trainer.evaluation.encoding import Encoders, TaskVectors
from sightwire_trainer.evaluation.index_search import CandidateIndex, IndexReport, search_through
from sightwire_trainer.evaluation.intervals import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sightwire_trainer.evaluation.model import TaskResult, measure_tasks
from sightwire_trainer.evaluation.ranks import Matrix
from sightwire_trainer.evaluation.task import RetrievalTask


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """How intervals are made."""

    resamples: int = DEFAULT_RESAMPLES
    confidence: float = DEFAULT_CONFIDENCE
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ModelResults:
    """One model and what it reached, task by task."""

    name: str
    vectors: TaskVectors
    results: list[TaskResult]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that reports are made of."""

    bootstrap: BootstrapOptions
    #: One or two, with results of the same tasks in the same order.
    models: list[ModelResults]
    #: The first model against the second, task by task; empty for one model.
    comparisons: list[Comparison] = field(default_factory=list)
    #: The first model through an index, task by task; empty if none was asked for.
    through_index: list[IndexReport] = field(default_factory=list)


def run_evaluation(
    models: Sequence[tuple[str, Encoders]],
    tasks: Sequence[RetrievalTask],
    bootstrap: BootstrapOptions,
    *,
    index: Callable[[Matrix], AbstractContextManager[CandidateIndex]] | None = None,
) -> Evaluation:
    """Measures one or two models; `index` makes an index of candidates, float32 [candidates, dimension]."""
    evaluated = []
    for name, encoders in models:
        vectors = TaskVectors(encoders)
        results = measure_tasks(
            vectors, tasks, resamples=bootstrap.resamples, confidence=bootstrap.confidence, seed=bootstrap.seed
        )
        evaluated.append(ModelResults(name, vectors, results))
    comparisons = []
    if len(evaluated) > 1:
        comparisons = [
            compare(
                first,
                second,
                resamples=bootstrap.resamples,
                confidence=bootstrap.confidence,
                seed=bootstrap.seed,
            )
            for first, second in zip(evaluated[0].results, evaluated[1].results, strict=True)
        ]
    reports = []
    if index is not None:
        vectors = evaluated[0].vectors
        for task in tasks:
            with index(vectors.of(task.candidates)) as opened:
                reports.append(search_through(opened, vectors, task, resamples=bootstrap.resamples))
    return Evaluation(bootstrap, evaluated, comparisons, reports)
