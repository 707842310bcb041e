"""Which training runs there are on the bus, and what became of them."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError as MessageNotFoundError
from pydantic import BaseModel, ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import ORIGINAL_SEQUENCE
from sightwire.contracts import subjects
from sightwire.contracts.streams import DEAD_LETTERS, TRAINING
from sightwire.contracts.training import TrainingCompleted, TrainingProgress, TrainingRequested, TrainingRun
from sightwire.errors import UnavailableError

Event = TypeVar("Event", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Told:
    """What the stream has of a run; sequences are of the stream."""

    #: The last request for it.
    requested: int
    progress: tuple[int, TrainingProgress] | None = None
    #: The last end of it.
    completed: tuple[int, TrainingCompleted] | None = None


def summary(run: str, told: Told) -> TrainingRun:
    """What became of the last request for a run."""
    progress = told.progress[1] if told.progress else None
    if told.completed is not None and is_end_of(told.requested, *told.completed):
        completed = told.completed[1]
        return TrainingRun(
            run=run,
            state=completed.state.value,
            step=completed.steps,
            steps=progress.steps if progress else None,
            loss=progress.loss if progress else None,
            measures=completed.measures,
            bundle=completed.bundle,
            reason=completed.reason,
            at=completed.at,
        )
    if told.progress is None or progress is None or told.progress[0] < told.requested:
        return TrainingRun(run=run, state="waiting")
    return TrainingRun(
        run=run,
        state="running",
        step=progress.step,
        steps=progress.steps,
        loss=progress.loss,
        samples_per_second=progress.samples_per_second,
        seconds_left=progress.seconds_left,
        measures=progress.measures,
        at=progress.at,
    )


def is_end_of(requested: int, sequence: int, completed: TrainingCompleted) -> bool:
    """Whether an end, told at `sequence`, answers the request `requested`, or a later one for the same run.

    An end that does not say what it answers is of all requests before it.
    """
    return (sequence if completed.request is None else completed.request) >= requested


async def list_runs(bus: Bus) -> list[TrainingRun]:
    """All runs that the stream remembers, by their last request, the newest first; refused requests are none.

    Raises:
        UnavailableError: the bus does not answer.
    """
    requested = await _last_requests(bus)
    completed = {
        event.run: (sequence, event)
        async for sequence, event in _events(bus, subjects.TRAINING_COMPLETED, TrainingCompleted)
    }
    return [
        summary(run, Told(sequence, await _last_progress(bus, run), completed.get(run)))
        for run, sequence in reversed(requested.items())
    ]


async def last_request(bus: Bus, run: str) -> int | None:
    """The sequence in the stream of the last request for a run that was not refused; None if there was none.

    Raises:
        UnavailableError: the bus does not answer.
    """
    return (await _last_requests(bus)).get(run)


async def standing_of(bus: Bus, run: str, *, request: int) -> TrainingRun:
    """What became of a request for a run; raises as `last_request` does."""
    return summary(run, Told(request, await _last_progress(bus, run), await _last_end(bus, run, since=request)))


async def has_ended(bus: Bus, run: str, *, request: int) -> bool:
    """Whether the end of a request for a run is told, by whoever carried it out or cancelled it.

    Raises:
        UnavailableError: the bus does not answer.
    """
    completed = await _last_end(bus, run, since=request)
    return completed is not None and is_end_of(request, *completed)


async def _last_requests(bus: Bus) -> dict[str, int]:
    """Sequences in the order of the requests, without those that were refused."""
    refused = await _refused(bus)
    requested: dict[str, int] = {}
    async for sequence, request in _events(bus, subjects.TRAINING_REQUESTED, TrainingRequested):
        if sequence not in refused:
            requested.pop(request.run, None)
            requested[request.run] = sequence
    return requested


async def _last_end(bus: Bus, run: str, *, since: int) -> tuple[int, TrainingCompleted] | None:
    """The last end of a run that was told after the message `since`."""
    found = None
    async for sequence, event in _events(bus, subjects.TRAINING_COMPLETED, TrainingCompleted, since=since):
        if event.run == run:
            found = sequence, event
    return found


async def _last_progress(bus: Bus, run: str) -> tuple[int, TrainingProgress] | None:
    jetstream, subject = bus.jetstream, subjects.training_progress(run)
    message = await _found(jetstream.get_last_msg(TRAINING.name, subject, direct=True))
    if message is None:
        return None
    return message.seq or 0, TrainingProgress.model_validate_json(message.data or b"")


async def _refused(bus: Bus) -> set[int]:
    subject = subjects.dead_letter(subjects.TRAINING_REQUESTED)
    return {int(_header(message, ORIGINAL_SEQUENCE)) async for message in _messages(bus, DEAD_LETTERS.name, subject)}


async def _events(bus: Bus, subject: str, model: type[Event], *, since: int = 0) -> AsyncIterator[tuple[int, Event]]:
    async for message in _messages(bus, TRAINING.name, subject, since=since):
        try:
            event = model.model_validate_json(message.data or b"")
        except ValidationError:
            continue  # its trainer buries it
        yield message.seq or 0, event


async def _messages(bus: Bus, stream: str, subject: str, *, since: int = 0) -> AsyncIterator[RawStreamMsg]:
    sequence = since
    while True:
        following = bus.jetstream.get_msg(stream, seq=sequence + 1, next=True, subject=subject, direct=True)
        message = await _found(following)
        if message is None:
            return
        yield message
        sequence = message.seq or 0


async def _found(asked: Awaitable[RawStreamMsg]) -> RawStreamMsg | None:
    """The message; None if there is none.

    Raises:
        UnavailableError: the bus does not answer.
    """
    try:
        return await asked
    except MessageNotFoundError:
        return None
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not say what it has of training runs: {error!r}; try again") from error


def _header(message: RawStreamMsg, name: str) -> str:
    headers: Mapping[str, str] = message.headers or {}
    return headers.get(name, "0")
