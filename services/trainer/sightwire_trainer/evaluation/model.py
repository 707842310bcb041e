"""A model measured on tasks, or on a whole set for the training loop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.evaluation.directions import Direction
from sightwire_trainer.evaluation.encoding import Encoders, TaskVectors
from sightwire_trainer.evaluation.intervals import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sightwire_trainer.evaluation.retrieval import RetrievalReport, evaluate_retrieval
from sightwire_trainer.evaluation.task import RetrievalTask, tasks_of


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a model reached in a task."""

    task: RetrievalTask
    report: RetrievalReport


def evaluate_model(
    encoders: Encoders, samples: SampleSource, *, directions: Iterable[Direction] = ()
) -> dict[str, float]:
    """Measures on one set for a training loop, without intervals: `text_to_image_recall_at_1` and so on.

    `directions` are those that need no second set; without any, text to image and back, or of text-text pairs text to
    text. Raises `CorruptDataError` for a sample that cannot be read.
    """
    results = measure_tasks(TaskVectors(encoders), tasks_of(samples, directions), resamples=0)
    return {
        f"{result.task.direction}_{name}": value for result in results for name, value in result.report.measures.items()
    }


def measure_tasks(
    vectors: TaskVectors,
    tasks: Sequence[RetrievalTask],
    *,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
) -> list[TaskResult]:
    """The exact measures of each task, with intervals unless `resamples` is 0."""
    return [
        TaskResult(
            task,
            evaluate_retrieval(
                vectors.of(task.queries),
                vectors.of(task.candidates),
                task.relevant,
                itself=task.itself,
                resamples=resamples,
                confidence=confidence,
                seed=seed,
            ),
        )
        for task in tasks
    ]
