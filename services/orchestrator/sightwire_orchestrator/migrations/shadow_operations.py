"""Operations on the index of a shadow, asked for on the bus: the gateway does not know it."""

from contextlib import aclosing
from typing import Final

from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.control import ControlClient
from sightwire.bus.records import RecordReader
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import CancelOperation, ReadReport, StartOperation
from sightwire.contracts.operations import OperationRecord, OperationState, Validate
from sightwire.contracts.streams import OPERATIONS
from sightwire.contracts.validation import ValidationReport
from sightwire.errors import ConflictError, SightwireError
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import BusyError, OperationFailedError

_SILENCE_SECONDS: Final = 15.0
_OPERATIONS: Final[TypeAdapter[OperationRecord]] = TypeAdapter(OperationRecord)


async def validated(
    context: TaskContext, bus: Bus, shadow: CollectionRecord, command: Validate
) -> tuple[OperationRecord, ValidationReport]:
    """The operation that put a shadow through the gates, and its report; one that runs already is waited for.

    Raises:
        OperationFailedError: a gate failed, or somebody cancelled it.
        BusyError: another operation of the shadow runs.
        SightwireError: no indexer answers.
    """
    control = ControlClient(bus)
    operation = await _begun(context, bus, shadow, command)
    ended = await _ended(context, bus, shadow, operation)
    if ended.state is not OperationState.SUCCEEDED:
        raise OperationFailedError(
            f"validation {ended.id} of {shadow.name!r} was {ended.state}" + (f": {ended.error}" if ended.error else "")
        )
    answer = await control.ask_owner(shadow.name, ReadReport(generation=str(ended.result["generation"])))
    return ended, ValidationReport.model_validate(answer)


async def _begun(context: TaskContext, bus: Bus, shadow: CollectionRecord, command: Validate) -> OperationRecord:
    request = StartOperation(command=command, requested_by=f"run {context.run}")
    try:
        return _OPERATIONS.validate_python(await ControlClient(bus).ask_owner(shadow.name, request))
    except ConflictError as error:
        for running in await RecordReader(bus, OPERATIONS, OperationRecord).list(shadow):
            if running.state is OperationState.RUNNING and running.command == command:
                return running
        raise BusyError(f"the index {shadow.name!r} is busy: {error.detail}") from None


async def _ended(
    context: TaskContext, bus: Bus, shadow: CollectionRecord, operation: OperationRecord
) -> OperationRecord:
    reader = RecordReader(bus, OPERATIONS, OperationRecord)
    try:
        async with aclosing(reader.follow(shadow, operation.id, silence_seconds=_SILENCE_SECONDS)) as changes:
            async for record in changes:
                if record is None:
                    continue
                progress = record.progress
                context.progress(progress.stage, done=progress.done, total=progress.total, unit=progress.unit)
                if record.state.is_final:
                    return record
    finally:
        if context.cancelled.is_set():
            await _cancel(bus, shadow, operation)
    raise OperationFailedError(f"the record of validation {operation.id} of {shadow.name!r} is gone")


async def _cancel(bus: Bus, shadow: CollectionRecord, operation: OperationRecord) -> None:
    try:
        await ControlClient(bus).ask_owner(shadow.name, CancelOperation(operation=operation.id))
    except SightwireError:
        # It has ended meanwhile, or its shadow goes away.
        return
