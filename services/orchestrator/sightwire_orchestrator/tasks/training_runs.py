"""Asks for a training run on the bus, and follows it to its end."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError as MessageNotFoundError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import ORIGINAL_SEQUENCE, REASON
from sightwire.bus.headers import event_headers
from sightwire.bus.training_requests import cancel_run
from sightwire.contracts import subjects
from sightwire.contracts.streams import DEAD_LETTERS, TRAINING
from sightwire.contracts.training import TrainingCompleted, TrainingProgress, TrainingRequested
from sightwire.errors import InvalidInputError, SightwireError

logger = logging.getLogger(__name__)

_SOURCE: Final = "orchestrator"
_LOOK_SECONDS: Final = 1.0


async def request_training(bus: Bus, request: TrainingRequested, *, message_id: str) -> int:
    """Publishes a request; the sequence that it has, the same if it was published before with this id.

    Raises:
        UnavailableError: the bus did not store it.
    """
    headers = event_headers(
        event_type="sightwire.training.requested", source=_SOURCE, subject=request.run, message_id=message_id
    )
    stored = await bus.publish(subjects.TRAINING_REQUESTED, request.model_dump_json().encode(), headers)
    return stored.seq


async def end_of_training(
    bus: Bus, run: str, requested: int, *, on_progress: Callable[[TrainingProgress], None]
) -> TrainingCompleted:
    """How the run ended that was requested with the sequence `requested`.

    It looks instead of subscribing, so that neither a bus that restarts nor a trainer that does is missed.

    Raises:
        InvalidInputError: the trainer refused the request; the message says why.
    """
    ends = _Reading(TRAINING.name, subjects.TRAINING_COMPLETED, requested)
    letters = _Reading(DEAD_LETTERS.name, subjects.dead_letter(subjects.TRAINING_REQUESTED), 0)
    last: TrainingProgress | None = None
    while True:
        try:
            while (message := await ends.next(bus)) is not None:
                end = _completed(message)
                if end is not None and end.run == run:
                    return end
            while (message := await letters.next(bus)) is not None:
                _raise_if_of(message, requested, run)
            progress = await _progress(bus, run, requested)
            if progress is not None and progress != last:
                on_progress(progress)
                last = progress
        except (NatsError, JetStreamError, TimeoutError) as error:
            logger.warning("a training run cannot be looked at now", extra={"run": run, "error": repr(error)})
        await asyncio.sleep(_LOOK_SECONDS)


async def cancel_training(bus: Bus, run: str) -> None:
    """Cancels a run, whether a trainer carries it out or it still waits for one."""
    try:
        await cancel_run(bus, run, source=_SOURCE)
    except SightwireError as error:
        logger.warning("a training run cannot be cancelled", extra={"run": run, "reason": error.detail})


class _Reading:
    """Messages of a subject, one after the other."""

    def __init__(self, stream: str, subject: str, after: int) -> None:
        self._stream, self._subject, self._sequence = stream, subject, after

    async def next(self, bus: Bus) -> RawStreamMsg | None:
        """The next one; None if there is none yet."""
        try:
            message = await bus.jetstream.get_msg(
                self._stream, seq=self._sequence + 1, next=True, subject=self._subject, direct=True
            )
        except MessageNotFoundError:
            return None
        self._sequence = message.seq or self._sequence + 1
        return message


def _raise_if_of(letter: RawStreamMsg, requested: int, run: str) -> None:
    headers = letter.headers or {}
    if headers.get(ORIGINAL_SEQUENCE) == str(requested):
        raise InvalidInputError(f"the trainer refused the run {run!r}: {unquote(headers.get(REASON, ''))}")


def _completed(message: RawStreamMsg) -> TrainingCompleted | None:
    try:
        return TrainingCompleted.model_validate_json(message.data or b"")
    except ValidationError:
        return None


async def _progress(bus: Bus, run: str, requested: int) -> TrainingProgress | None:
    try:
        message = await bus.jetstream.get_last_msg(TRAINING.name, subjects.training_progress(run), direct=True)
        told = (message.seq or 0) > requested
        return TrainingProgress.model_validate_json(message.data or b"") if told else None
    except (MessageNotFoundError, ValidationError):
        return None
