"""Which runs there are on the bus, and what became of them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError as MessageNotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import ORIGINAL_SEQUENCE
from sightwire.contracts import subjects
from sightwire.contracts.streams import DEAD_LETTERS, TRAINING
from sightwire.contracts.training import TrainingCompleted, TrainingProgress, TrainingRequested

#: State of a run that no trainer has begun with.
WAITING: Final = "waiting"
RUNNING: Final = "running"

Event = TypeVar("Event", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Told:
    """What the stream has of a run; sequences are of the stream."""

    requested: int
    progress: tuple[int, TrainingProgress] | None = None
    completed: tuple[int, TrainingCompleted] | None = None


class RunSummary(BaseModel):
    """A run as people see it."""

    model_config = ConfigDict(frozen=True)

    run: str
    #: `waiting`, `running`, or a final `RunState`.
    state: str
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    seconds_left: float | None = None
    measures: dict[str, float] = {}
    bundle: str | None = None
    reason: str | None = None
    at: datetime | None = None


def summary(run: str, told: Told) -> RunSummary:
    """What became of the last request for a run."""
    progress = told.progress[1] if told.progress else None
    if told.completed is not None and told.completed[0] > told.requested:
        completed = told.completed[1]
        return RunSummary(
            run=run,
            state=completed.state,
            step=completed.steps,
            steps=progress.steps if progress else None,
            loss=progress.loss if progress else None,
            measures=completed.measures,
            bundle=completed.bundle,
            reason=completed.reason,
            at=completed.at,
        )
    if told.progress is None or progress is None or told.progress[0] < told.requested:
        return RunSummary(run=run, state=WAITING)
    return RunSummary(
        run=run,
        state=RUNNING,
        step=progress.step,
        steps=progress.steps,
        loss=progress.loss,
        seconds_left=progress.seconds_left,
        measures=progress.measures,
        at=progress.at,
    )


async def list_runs(bus: Bus) -> list[RunSummary]:
    """All runs that the stream remembers, by their last request, the newest first; refused requests are none."""
    refused = await _refused(bus)
    requested: dict[str, int] = {}
    async for sequence, request in _events(bus, subjects.TRAINING_REQUESTED, TrainingRequested):
        if sequence not in refused:
            requested.pop(request.run, None)
            requested[request.run] = sequence
    completed = {
        event.run: (sequence, event)
        async for sequence, event in _events(bus, subjects.TRAINING_COMPLETED, TrainingCompleted)
    }
    return [
        summary(run, Told(sequence, await _last_progress(bus, run), completed.get(run)))
        for run, sequence in reversed(requested.items())
    ]


async def _last_progress(bus: Bus, run: str) -> tuple[int, TrainingProgress] | None:
    try:
        message = await bus.jetstream.get_last_msg(TRAINING.name, subjects.training_progress(run), direct=True)
    except MessageNotFoundError:
        return None
    return message.seq or 0, TrainingProgress.model_validate_json(message.data or b"")


async def _refused(bus: Bus) -> set[int]:
    subject = subjects.dead_letter(subjects.TRAINING_REQUESTED)
    return {int(_header(message, ORIGINAL_SEQUENCE)) async for message in _messages(bus, DEAD_LETTERS.name, subject)}


async def _events(bus: Bus, subject: str, model: type[Event]) -> AsyncIterator[tuple[int, Event]]:
    async for message in _messages(bus, TRAINING.name, subject):
        try:
            event = model.model_validate_json(message.data or b"")
        except ValidationError:
            continue  # its trainer buries it
        yield message.seq or 0, event


async def _messages(bus: Bus, stream: str, subject: str) -> AsyncIterator[RawStreamMsg]:
    sequence = 0
    while True:
        try:
            message = await bus.jetstream.get_msg(stream, seq=sequence + 1, next=True, subject=subject, direct=True)
        except MessageNotFoundError:
            return
        yield message
        sequence = message.seq or 0


def _header(message: RawStreamMsg, name: str) -> str:
    headers: Mapping[str, str] = message.headers or {}
    return headers.get(name, "0")
