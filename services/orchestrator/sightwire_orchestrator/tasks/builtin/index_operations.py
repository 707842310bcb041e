"""Operations on an index as tasks: begun, or taken up again, and waited for."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from sightwire.client import ApiError, OperationRecord, OperationState
from sightwire.contracts.operations import Command
from sightwire.errors import ConflictError, SightwireError
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import BusyError, OperationFailedError

logger = logging.getLogger(__name__)

_COMMANDS: Final[TypeAdapter[Command]] = TypeAdapter(Command)


async def carry_out_operation(context: TaskContext, collection: str, command: Mapping[str, Any]) -> OperationRecord:
    """The operation once it has succeeded.

    The same operation that runs already is waited for instead of begun: an attempt before this one, whose worker died,
    has begun it. Cancelled, the task cancels the operation.

    Raises:
        OperationFailedError: it failed, or somebody cancelled it.
        BusyError: another one of the collection runs.
        ApiError: the platform refuses it.
        ConnectionFailedError: the platform does not answer.
    """
    platform = context.resources.platform
    operation = await _begun(context, collection, command)

    def told(record: OperationRecord) -> None:
        progress = record.progress
        context.progress(progress.stage, done=progress.done, total=progress.total, unit=progress.unit)

    try:
        ended = await platform.operations.wait(collection, operation.id, on_change=told)
    except asyncio.CancelledError:
        if context.cancelled.is_set():
            await _cancel(context, operation)
        raise
    if ended.state is OperationState.SUCCEEDED:
        return ended
    kind = ended.command.kind
    raise OperationFailedError(
        f"{kind} {ended.id} of {collection!r} was {ended.state}" + (f": {ended.error}" if ended.error else "")
    )


async def _cancel(context: TaskContext, operation: OperationRecord) -> None:
    try:
        await context.resources.platform.operations.cancel(operation.collection, operation.id)
    except SightwireError as error:
        logger.warning(
            "an operation of a cancelled task cannot be cancelled",
            extra={"collection": operation.collection, "operation": operation.id, "reason": str(error)},
        )


async def _begun(context: TaskContext, collection: str, command: Mapping[str, Any]) -> OperationRecord:
    operations = context.resources.platform.operations
    try:
        return await operations.start(collection, command)
    except ApiError as error:
        if error.kind != ConflictError.code:
            raise
        wanted = _COMMANDS.validate_python(command)
        for running in await operations.list(collection, kind=wanted.kind, state=OperationState.RUNNING):
            if running.command == wanted:
                return running
        raise BusyError(f"the index of {collection!r} is busy: {error.detail}") from None
