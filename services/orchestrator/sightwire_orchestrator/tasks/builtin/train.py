"""`train`: a model, by whichever trainer listens on the bus."""

import asyncio
import hashlib
import re
from typing import Any

from pydantic import Field, JsonValue

from sightwire.contracts.training import RunName, RunState, TrainingProgress, TrainingRequested
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler
from sightwire_orchestrator.tasks.training_runs import cancel_training, end_of_training, request_training


class TrainParameters(TaskParameters):
    """What to train."""

    configuration: dict[str, Any] = Field(description="A training configuration: docs/training.md")
    run: RunName | None = Field(default=None, description="Name of the training run; none: one for this task alone")


@handler("train")
async def train(context: TaskContext, parameters: TrainParameters) -> JsonValue:
    """Train a model: {run, bundle, bundle_sha256, measures, steps, seconds}.

    Another attempt goes on where the one before had come to.
    """
    bus = context.resources.require_bus()
    run = parameters.run or training_run_of(context.identity)
    request = TrainingRequested(run=run, configuration=parameters.configuration, requested_by=f"run {context.run}")
    requested = await request_training(bus, request, message_id=f"train-{context.identity}-{context.attempt}")

    def told(progress: TrainingProgress) -> None:
        context.progress("training", done=progress.step, total=progress.steps, unit="steps")

    context.progress("waiting for a trainer")
    try:
        ended = await end_of_training(bus, run, requested, on_progress=told)
    except asyncio.CancelledError:
        if context.cancelled.is_set():
            await cancel_training(bus, run)
        raise
    if ended.state is not RunState.COMPLETED:
        raise OperationFailedError(
            f"training run {run!r} was {ended.state}" + (f": {ended.reason}" if ended.reason else "")
        )
    return ended.model_dump(mode="json", include={"run", "bundle", "bundle_sha256", "measures", "steps", "seconds"})


def training_run_of(identity: str) -> str:
    """A name for the training run of a task; the same in each attempt."""
    words = re.sub(r"[^a-z0-9]+", "-", identity.lower()).strip("-")[:40].strip("-")
    return f"{words}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}".lstrip("-")
