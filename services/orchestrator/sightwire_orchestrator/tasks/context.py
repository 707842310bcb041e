"""What a handler knows of the attempt that it carries out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from sightwire.contracts.operations import Progress
from sightwire.contracts.pipelines import TaskOrder
from sightwire_orchestrator.tasks.cancelling import Cancellation
from sightwire_orchestrator.tasks.errors import TaskCancelledError, TaskTimeoutError

if TYPE_CHECKING:
    import httpx

    from sightwire_orchestrator.tasks.registry import HandlerRegistry
    from sightwire_orchestrator.tasks.resources import TaskResources

ProgressListener = Callable[[Progress], None]


def _nobody_listens(_progress: Progress) -> None:
    return


@dataclass(frozen=True, slots=True, eq=False)
class TaskContext:
    """One attempt. Handlers in threads may use it as well, except for what has to be awaited."""

    run: str
    pipeline: str
    task: str
    type: str
    attempt: int
    deadline: datetime
    #: Clients and settings that all tasks of a worker share.
    resources: "TaskResources"
    #: The handlers of this worker, for tasks that use others.
    handlers: "HandlerRegistry"
    element: int | None = None
    model: str | None = None
    idempotency_key: str | None = None
    #: What a reviewer of the task's last output asked to be changed.
    feedback: str | None = None
    on_progress: ProgressListener = _nobody_listens
    #: Set from the worker's event loop when the run is cancelled or the deadline has passed, not when the worker stops
    #: and another one takes over. A handler that is a coroutine is cancelled in all three cases.
    cancelled: Cancellation = field(default_factory=Cancellation)

    @classmethod
    def of(
        cls,
        order: TaskOrder,
        resources: "TaskResources",
        handlers: "HandlerRegistry",
        *,
        on_progress: ProgressListener = _nobody_listens,
    ) -> Self:
        """The context of an attempt that was ordered."""
        return cls(
            run=order.run,
            pipeline=order.pipeline,
            task=order.task,
            type=order.type,
            attempt=order.attempt,
            deadline=order.deadline,
            resources=resources,
            handlers=handlers,
            element=order.element,
            model=order.model,
            idempotency_key=order.idempotency_key,
            feedback=order.feedback,
            on_progress=on_progress,
        )

    @property
    def http(self) -> "httpx.AsyncClient":
        """A client that all tasks of this worker share; it follows no redirects."""
        return self.resources.http

    @property
    def identity(self) -> str:
        """Names the task, or its element, and is the same for each attempt: what is done twice under it counts once."""
        own = f"{self.run}.{self.task}" if self.element is None else f"{self.run}.{self.task}.{self.element}"
        return self.idempotency_key or own

    @property
    def seconds_left(self) -> float:
        """Until the deadline; negative after it."""
        return (self.deadline - datetime.now(UTC)).total_seconds()

    def progress(self, stage: str, *, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Tell how far the attempt is; `total` is 0 while unknown. From any thread, and cheap."""
        self.on_progress(Progress(stage=stage, done=done, total=total, unit=unit))

    def raise_if_cancelled(self) -> None:
        """For handlers in threads, which nobody can stop: call it now and then.

        Raises:
            TaskTimeoutError: the deadline has passed.
            TaskCancelledError: the run was cancelled.
        """
        if self.seconds_left <= 0:
            raise self.timeout_error()
        if self.cancelled.is_set():
            raise TaskCancelledError(f"task {self.task!r} of run {self.run!r} was cancelled")

    def timeout_error(self) -> TaskTimeoutError:
        """What an attempt fails with whose deadline has passed."""
        return TaskTimeoutError(
            f"attempt {self.attempt} of task {self.task!r} was not done by its deadline; give it a longer timeout"
        )
