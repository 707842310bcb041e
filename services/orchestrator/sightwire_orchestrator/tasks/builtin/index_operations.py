"""Operations on an index as tasks: begun, or taken up again, and waited for."""

from collections.abc import Mapping
from typing import Any

from sightwire.client import ApiError, OperationRecord, OperationState
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError


async def carry_out_operation(context: TaskContext, collection: str, command: Mapping[str, Any]) -> OperationRecord:
    """The operation once it has succeeded.

    The same operation that runs already is waited for instead of begun: an attempt before this one, whose worker died,
    has begun it. Cancelled, the task cancels the operation.

    Raises:
        OperationFailedError: it failed, or somebody cancelled it.
        ApiError: the platform refuses it, such as while another one of the collection runs.
        ConnectionFailedError: the platform does not answer.
    """
    platform = context.resources.platform
    operation = await _begun(context, collection, command)

    def told(record: OperationRecord) -> None:
        progress = record.progress
        context.progress(progress.stage, done=progress.done, total=progress.total, unit=progress.unit)

    try:
        ended = await platform.operations.wait(collection, operation.id, on_change=told)
    finally:
        if context.cancelled.is_set():
            await platform.operations.cancel(collection, operation.id)
    if ended.state is OperationState.SUCCEEDED:
        return ended
    kind = ended.command.kind
    raise OperationFailedError(
        f"{kind} {ended.id} of {collection!r} was {ended.state}" + (f": {ended.error}" if ended.error else "")
    )


async def _begun(context: TaskContext, collection: str, command: Mapping[str, Any]) -> OperationRecord:
    operations = context.resources.platform.operations
    try:
        return await operations.start(collection, command)
    except ApiError as error:
        if error.kind != "conflict":
            raise
        running = await operations.list(collection, kind=command["kind"], state=OperationState.RUNNING)
        same = [record for record in running if _asked_for(record) == dict(command)]
        if not same:
            raise
        return same[0]


def _asked_for(record: OperationRecord) -> dict[str, Any]:
    """An operation's command as a task states it: what was not given is left out."""
    return {"kind": record.command.kind, **record.command.model_dump(mode="json", exclude_unset=True)}
