"""Describes what the orchestrator and its workers consume and publish."""

from faststream.nats import JStream, NatsBroker

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.contracts import subjects
from sightwire.contracts.alerts import AlertEvent, AlertsRequest
from sightwire.contracts.cache_control import CacheRequest
from sightwire.contracts.migration_control import MigrationsRequest
from sightwire.contracts.model_control import ModelsRequest
from sightwire.contracts.models import ModelPromoted, ModelRegistered, ModelRolledBack
from sightwire.contracts.pipeline_control import PipelinesRequest
from sightwire.contracts.pipelines import AttemptAbandoned, AttemptProgress, PipelineRunEnded, TaskOrder, TaskResult
from sightwire.contracts.review_control import ReviewsRequest
from sightwire.contracts.streams import ALERTS, MODELS, PIPELINES, TASKS


def describe() -> bytes:
    """The AsyncAPI document, as JSON.

    The broker here never connects: FastStream only knows how to describe what `workers` and `execution` do.
    """
    broker = NatsBroker()
    broker.subscriber(
        subjects.TASKS_ALL,
        stream=JStream(TASKS.name, declare=False),
        title="task-order",
        description="An attempt of a task. Any worker that knows the type takes it, and acknowledges it when its "
        "result is stored; one that is silent for ten seconds is taken for dead.",
    )(_ordered)
    broker.subscriber(
        subjects.TASK_RESULTS_ALL,
        stream=JStream(TASKS.name, declare=False),
        title="task-result",
        description="What became of an attempt. The first result of an attempt counts.",
    )(_result)
    broker.subscriber(
        subjects.TASK_PROGRESS_ALL,
        title="task-progress",
        description="How far an attempt is, once a second at most. It is kept nowhere.",
    )(_progress)
    broker.subscriber(
        subjects.CONTROL_WORKERS,
        title="attempt-abandoned",
        description="Tells all workers that nobody waits for an attempt any longer.",
    )(_abandoned)
    broker.subscriber(
        subjects.PIPELINES_ENDED_ALL,
        stream=JStream(PIPELINES.name, declare=False),
        title="pipeline-ended",
        description="A run of a pipeline has ended. Callbacks are sent from here.",
    )(_ended)
    broker.subscriber(
        subjects.CONTROL_PIPELINES,
        title="control-pipelines",
        description="Asks the active orchestrator, which answers with a ControlReply on the reply subject.",
    )(_control_request)
    broker.subscriber(
        subjects.CONTROL_MODELS,
        title="control-models",
        description="Asks the active orchestrator about registered models, and what embedders serve.",
    )(_models_request)
    broker.subscriber(
        subjects.CONTROL_REVIEWS,
        title="control-reviews",
        description="Asks the active orchestrator about reviews and reviewers.",
    )(_reviews_request)
    broker.subscriber(
        subjects.CONTROL_CACHE,
        title="control-cache",
        description="Asks the active orchestrator for statistics of cached results of tasks, or to delete some.",
    )(_cache_request)
    broker.subscriber(
        subjects.CONTROL_ALERTS,
        title="control-alerts",
        description="Asks the active orchestrator about alert rules.",
    )(_alerts_request)
    broker.subscriber(
        subjects.CONTROL_MIGRATIONS,
        title="control-migrations",
        description="Asks the active orchestrator about collections' moves to other models, or to begin or undo one.",
    )(_migrations_request)
    broker.subscriber(
        subjects.ALERTS_ALL,
        stream=JStream(ALERTS.name, declare=False),
        title="alert-event",
        description="An alert rule fires, or fires no more.",
    )(_alert)
    for subject, title, description, handler in (
        (subjects.MODELS_REGISTERED, "model-registered", "A version of a model can be fetched.", _registered),
        (subjects.MODELS_PROMOTED, "model-promoted", "An alias of a model got a version.", _promoted),
        (subjects.MODELS_ROLLED_BACK, "model-rolled-back", "An alias got back what it meant before.", _rolled_back),
    ):
        broker.subscriber(subject, stream=JStream(MODELS.name, declare=False), title=title, description=description)(
            handler
        )
    return asyncapi_document(broker, title="Sightwire orchestrator", description="Runs pipelines over the bus.")


async def _ordered(order: TaskOrder) -> None:
    """Stands for the message's payload in the document, as the others do."""


async def _result(result: TaskResult) -> None: ...


async def _progress(progress: AttemptProgress) -> None: ...


async def _abandoned(attempt: AttemptAbandoned) -> None: ...


async def _ended(event: PipelineRunEnded) -> None: ...


async def _control_request(request: PipelinesRequest) -> None: ...


async def _cache_request(request: CacheRequest) -> None: ...


async def _models_request(request: ModelsRequest) -> None: ...


async def _reviews_request(request: ReviewsRequest) -> None: ...


async def _alerts_request(request: AlertsRequest) -> None: ...


async def _migrations_request(request: MigrationsRequest) -> None: ...


async def _alert(event: AlertEvent) -> None: ...


async def _registered(event: ModelRegistered) -> None: ...


async def _promoted(event: ModelPromoted) -> None: ...


async def _rolled_back(event: ModelRolledBack) -> None: ...
