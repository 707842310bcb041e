"""Asks trainers for runs, and cancels them."""

from typing import Any

import orjson
from nats.errors import NoRespondersError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.control import ask
from sightwire.bus.headers import event_headers
from sightwire.bus.training_runs import last_request, standing_of
from sightwire.contracts import subjects
from sightwire.contracts.training import (
    CancelTraining,
    RunState,
    TrainingCompleted,
    TrainingProgress,
    TrainingRequested,
)
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError


async def request_run(
    bus: Bus, run: str, configuration: dict[str, Any], *, source: str, requested_by: str = ""
) -> None:
    """Asks for a run, which begins when a trainer has room for it, or goes on where it ended.

    `configuration` is JSON. The trainer that takes the request checks it: one that describes no run goes to the dead
    letters.

    Raises:
        InvalidInputError: that is no name for a run.
        UnavailableError: the bus did not store the request.
    """
    try:
        request = TrainingRequested(run=run, configuration=configuration, requested_by=requested_by)
    except ValidationError:
        raise InvalidInputError(
            f"{run!r} is no name for a run: expected a to z, 0 to 9 and hyphens, 63 characters at most"
        ) from None
    payload = orjson.dumps(request.model_dump(mode="json"))
    headers = event_headers(event_type="sightwire.training.requested", source=source, subject=run)
    await bus.publish(subjects.TRAINING_REQUESTED, payload, headers)


async def cancel_run(bus: Bus, run: str, *, source: str) -> TrainingProgress | None:
    """Cancels a run: one that is carried out ends after a checkpoint, one that waits is never begun with.

    How far the run is; None before its first step.

    Raises:
        NotFoundError: nobody asked for it.
        ConflictError: it has ended.
        UnavailableError: the bus is away.
    """
    try:
        return await _cancel_now(bus, run)
    except NoRespondersError:
        pass
    request = await last_request(bus, run)
    if request is None:
        raise NotFoundError(f"there is no training run {run!r}")
    standing = await standing_of(bus, run, request=request)
    if standing.has_ended:
        raise ConflictError(f"the training run {run!r} has ended: it is {standing.state}")
    cancelled = TrainingCompleted(
        run=run, state=RunState.CANCELLED, request=request, measures=standing.measures, steps=standing.step
    )
    headers = event_headers(event_type="sightwire.training.completed", source=source, subject=run)
    await bus.publish(subjects.TRAINING_COMPLETED, cancelled.model_dump_json().encode(), headers)
    try:
        # A trainer that took the request in between answers here before it looks for its end.
        return await _cancel_now(bus, run)
    except NoRespondersError:
        return None


async def _cancel_now(bus: Bus, run: str) -> TrainingProgress | None:
    answer = await ask(bus, subjects.control_training(run), CancelTraining())
    return None if answer is None else TrainingProgress.model_validate(answer)
