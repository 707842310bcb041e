"""Asks trainers for runs."""

import orjson
from nats.errors import NoRespondersError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.control import ask
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.training import CancelTraining, TrainingProgress, TrainingRequested
from sightwire.errors import InvalidInputError, UnavailableError
from sightwire_trainer.configuration import TrainingConfiguration


async def request_run(
    bus: Bus, run: str, configuration: TrainingConfiguration, *, source: str, requested_by: str = ""
) -> None:
    """Asks for a run, which begins when a trainer has room for it, or goes on where it ended.

    Raises:
        InvalidInputError: that is no name for a run.
        UnavailableError: the bus did not store the request.
    """
    try:
        request = TrainingRequested(
            run=run, configuration=configuration.model_dump(mode="json"), requested_by=requested_by
        )
    except ValidationError:
        raise InvalidInputError(
            f"{run!r} is no name for a run: expected a to z, 0 to 9 and hyphens, 63 characters at most"
        ) from None
    payload = orjson.dumps(request.model_dump(mode="json"))
    headers = event_headers(event_type="sightwire.training.requested", source=source, subject=run)
    await bus.publish(subjects.TRAINING_REQUESTED, payload, headers)


async def cancel_run(bus: Bus, run: str) -> TrainingProgress | None:
    """Cancels a run that is carried out now: it ends after a checkpoint. How far it is; None before its first step.

    Raises:
        UnavailableError: no trainer carries it out now.
    """
    try:
        answer = await ask(bus, subjects.control_training(run), CancelTraining())
    except NoRespondersError:
        raise UnavailableError(
            f"no trainer carries out the run {run!r} now; `sightwire training runs` says what became of it"
        ) from None
    return None if answer is None else TrainingProgress.model_validate(answer)
